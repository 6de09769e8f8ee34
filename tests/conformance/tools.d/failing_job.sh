#!/bin/sh
sleep 1
echo 'The job failed'
exit 1

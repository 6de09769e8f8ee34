#!/usr/bin/env node
// The call is a JSON object on standard input, and what is printed is the result.
import { readFileSync } from 'node:fs';

const call = JSON.parse(readFileSync(0, 'utf8'));
const { who } = call.arguments; // the inputSchema promises that it is there
if (who === call.caller.username) {
  // What is printed before a failure reaches the model; standard error goes to the log.
  console.log('Nobody greets himself.');
  process.exitCode = 1;
} else {
  console.log(`Hello, ${who}!`);
}

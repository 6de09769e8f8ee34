/* CRC-32 as in IEEE 802.3 and zip: what DynamoDB sends of each body in x-amz-crc32. */
#ifndef AWS_CRC32_H
#define AWS_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32_of(const void *data, size_t len);

#endif

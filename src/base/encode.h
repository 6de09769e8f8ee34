/* Base64url without padding (RFC 4648 §5, RFC 7515 §2) and hexadecimal. */
#pragma once

#include "base/base.h"

/* Text in the arena. */
char *base64url_encode(struct arena *a, const void *data, size_t len);
/* Bytes in the arena with their number in *len; NULL unless it is strict, canonical base64url. */
uint8_t *base64url_decode(struct arena *a, const char *text, size_t text_len, size_t *len);
/* The same for plain base64 with padding (RFC 4648 §4). */
uint8_t *base64_decode(struct arena *a, const char *text, size_t text_len, size_t *len);
char *base64_encode(struct arena *a, const void *data, size_t len);
/* The value of a hexadecimal digit, or -1. */
int hex_value(char c);
char *hex_encode(struct arena *a, const void *data, size_t len);

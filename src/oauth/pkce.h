/* Proof Key for Code Exchange (RFC 7636), with S256 alone. */
#pragma once

#include "base/base.h"

bool pkce_challenge_is_valid(const char *challenge); /* 43 characters of base64url: an S256 hash */
bool pkce_verifier_matches(struct arena *a, const char *verifier, const char *challenge);
const char *pkce_challenge(struct arena *a, const char *verifier);

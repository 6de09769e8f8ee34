#include "oauth/pkce.h"

#include "crypto/digest.h"

#define VERIFIER_MIN 43 /* RFC 7636 §4.1 */
#define VERIFIER_MAX 128
#define CHALLENGE_LEN 43 /* base64url of 32 bytes */

bool pkce_challenge_is_valid(const char *challenge) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    return strlen(challenge) == CHALLENGE_LEN && strspn(challenge, alphabet) == CHALLENGE_LEN;
}

const char *pkce_challenge(struct arena *a, const char *verifier) {
    return sha256_base64url(a, verifier, SHA256_LEN);
}

/* RFC 7636 §4.6 */
bool pkce_verifier_matches(struct arena *a, const char *verifier, const char *challenge) {
    size_t len = strlen(verifier);

    return len >= VERIFIER_MIN && len <= VERIFIER_MAX &&
           text_equal_in_constant_time(pkce_challenge(a, verifier), challenge);
}

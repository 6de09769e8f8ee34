/* Private part of words.h: the reasons on error pages in Japanese. A * stands for what is put into
 * a reason: a number, a name, or one of the last rows. */
#include <string.h>

#include "base/buf.h"
#include "pages/words.h"

#define CAPTURES_MAX 2
#define REASON_MAX 1024

const struct word reasons_ja[] = {
    {"client_id is missing", "client_id がありません"},
    {"redirect_uri is missing", "redirect_uri がありません"},
    {"the redirect_uri is not one that the client's document names",
     "redirect_uri は、クライアントの文書にあるものではありません"},
    {"response_type is missing", "response_type がありません"},
    {"response_type must be code", "response_type は code でなければなりません"},
    {"code_challenge is missing: PKCE is required", "code_challenge がありません。PKCE が必要です"},
    {"code_challenge_method must be S256", "code_challenge_method は S256 でなければなりません"},
    {"code_challenge is not the base64url of a SHA-256",
     "code_challenge は SHA-256 を base64url で表したものではありません"},
    {"resource is not this server's", "resource がこのサーバーのものではありません"},
    {"none of the scopes asked for is supported",
     "求められたスコープはどれもこのサーバーにありません"},
    {"the user must be asked, and prompt=none forbids it",
     "利用者の確認が必要ですが、prompt=none がそれを禁じています"},
    {"the form must be sent as application/x-www-form-urlencoded",
     "フォームは application/x-www-form-urlencoded で送る必要があります"},
    {"request or decision is missing", "request か decision がありません"},
    {"the browser sent no cookie; cookies of this site must be allowed",
     "ブラウザーから Cookie が送られていません。このサイトの Cookie を許可してください"},
    {"the box that says that you have started this login is not ticked",
     "ログインを自分で始めたことを示すチェックボックスがオフのままです"},
    {"decision must be approve or deny", "decision は approve か deny でなければなりません"},
    {"this address is for a window of its own, not for a part of another page",
     "このアドレスは独立したウィンドウで開く必要があります。他のページの一部としては開けません"},
    {"the form was not sent by this server's own page",
     "フォームがこのサーバーのページから送られたものではありません"},
    {"the login was begun in another browser", "ログインは別のブラウザーで始められたものです"},
    {"the login took too long, is complete already, or was begun in another browser",
     "ログインに時間がかかり過ぎたか、すでに完了しているか、別のブラウザーで始められたものです"},
    {"this is not an answer to a login begun here",
     "このサーバーで始められたログインへの応答ではありません"},
    {"this client is not allowed here", "このクライアントは、ここでは許可されていません"},
    {"this client is not among those allowed here",
     "このクライアントは、ここで許可されているものではありません"},
    {"this client is no longer allowed here", "このクライアントは、ここではもう許可されていません"},
    {"this client_id was not registered here, or has ended",
     "この client_id はこのサーバーで登録されたものではないか、期限が切れています"},
    {"client_id is neither known here nor the https URL of a client metadata document",
     "client_id は、このサーバーで知られているものでも、クライアントの文書の https URL "
     "でもありません"},
    {"a client_id that is a URL must begin with https://",
     "URL である client_id は https:// で始まる必要があります"},
    {"the client_id URL must have a path", "client_id の URL にはパスが必要です"},
    {"the client_id URL must not have a fragment or user info",
     "client_id の URL にフラグメントやユーザー情報があってはなりません"},
    {"the client_id URL must not have . or .. segments",
     "client_id の URL のパスに . や .. があってはなりません"},
    {"the client's document must not hold a secret",
     "クライアントの文書に秘密の値があってはなりません"},
    {"jwks in the client's document has a private or symmetric key",
     "クライアントの文書の jwks に秘密鍵または共通鍵があります"},
    {"the client's document asks for private_key_jwt, but has neither jwks nor a jwks_uri on its "
     "own host",
     "クライアントの文書は private_key_jwt を求めていますが、jwks も、同じホストの jwks_uri "
     "もありませ"
     "ん"},
    {"the client's document asks for token_endpoint_auth_method other than none and "
     "private_key_jwt",
     "クライアントの文書が、none と private_key_jwt 以外の token_endpoint_auth_method "
     "を求めています"},
    {"the client's document has no redirect_uris",
     "クライアントの文書に redirect_uris がありません"},
    {"the client's document has more than * redirect_uris",
     "クライアントの文書の redirect_uris が * 個を超えています"},
    {"redirect_uris in the client's document has something but strings",
     "クライアントの文書の redirect_uris に、文字列でないものがあります"},
    {"no redirect URI in the client's document is https, loopback or of a known app",
     "クライアントの文書に、https か、このコンピューターか、既知のアプリの redirect URI "
     "がありません"},
    {"grant_types in the client's document lacks authorization_code",
     "クライアントの文書の grant_types に authorization_code がありません"},
    {"response_types in the client's document lacks code",
     "クライアントの文書の response_types に code がありません"},
    {"the client's document is not a JSON object",
     "クライアントの文書が JSON オブジェクトではありません"},
    {"client_id in the client's document is not the URL it was found at",
     "クライアントの文書の client_id が、その文書の URL と異なります"},
    {"client_name in the client's document is missing or longer than * bytes",
     "クライアントの文書に client_name がないか、* バイトを超えています"},
    {"the server of * answered with status *", "*のサーバーが、ステータス * を返しました"},
    {"the server of * did not answer", "*のサーバーから応答がありません"},
    {"* is not of type application/json", "*の種類が application/json ではありません"},
    {"* is not valid JSON", "*が正しい JSON ではありません"},
    {"* is not on a public address, and may not be fetched",
     "*が公開されたアドレスにないため、取得できません"},
    {"too many clients are being looked up just now; try again",
     "今、多くのクライアントを確認中です。もう一度お試しください"},
    {"a header came twice, once with an underscore in its name",
     "同じヘッダーが、アンダースコアを含む名前でも送られています"},
    {"* is longer than * bytes", "*が * バイトを超えています"},
    {"* has a control character", "* に制御文字があります"},
    {"prompt=none stands alone", "prompt=none は他の値と併用できません"},
    {"this login was not begun here in this browser",
     "このログインは、このサーバーで、このブラウザーで始められたものではありません"},
    {"this login took too long", "ログインに時間がかかり過ぎました"},
    {"this login was begun by another version",
     "このログインは、サーバーの別のバージョンで始められたものです"},
    {"this login was ended; log in again",
     "このログインは終了させられました。もう一度ログインしてください"},
    {"this user is no longer allowed here", "この利用者は、ここではもう許可されていません"},
    {"the host in the URL is not valid", "URL のホストが正しくありません"},
    {"the host in the URL is not valid; an IPv4 address is written as four decimal numbers, "
     "without "
     "a dot at the end",
     "URL のホストが正しくありません。IPv4 アドレスは 4 つの 10 進数で、末尾の点なしに書きます"},
    {"the port in the URL is not one", "URL のポートが正しくありません"},
    {"the URL has a character that must be percent-encoded",
     "URL に、パーセントエンコードが必要な文字があります"},
    {"the URL has no scheme", "URL にスキームがありません"},
    {"the URL has no host", "URL にホストがありません"},
    {"a parameter is not properly percent-encoded",
     "パーセントエンコードが正しくないパラメーターがあります"},
    {"a parameter is not UTF-8", "UTF-8 でないパラメーターがあります"},
    {"there are more than * parameters", "パラメーターが * 個を超えています"},
    {"a parameter is given more than once", "2 回以上あるパラメーターがあります"},
    {"this address answers * only", "このアドレスは * にだけ応答します"},
    {"the service does not know its own address: set MCP_SERVER_URI",
     "サービスに自身のアドレスが設定されていません。管理者が MCP_SERVER_URI "
     "を設定する必要があります"},
    {"there is nothing at this address", "このアドレスには何もありません"},
    {"too many requests from this address; try again later",
     "このアドレスからの要求が多すぎます。後でもう一度お試しください"},
    {"the session store is not available", "セッションの保存先が利用できません"},
    {"the session store does not answer; try again later",
     "セッションの保存先から応答がありません。後でもう一度お試しください"},
    /* What other rows are made of. */
    {"the client's document", "クライアントの文書"},
    {"the URL", "URL "},
    {"the body", "本文"},
    {NULL, NULL},
};

struct capture {
    const char *p;
    size_t len;
};

/* Is the text the pattern, with something in place of each *? Each takes as little as it can. */
static bool matches(const char *pattern, const char *text, struct capture got[CAPTURES_MAX]) {
    size_t len = strcspn(pattern, "*"), n = 0;

    if (strncmp(text, pattern, len) != 0)
        return false;
    for (text += len, pattern += len; *pattern; n++) {
        size_t part = strcspn(++pattern, "*");
        char literal[REASON_MAX];
        const char *at;

        if (n == CAPTURES_MAX || part >= sizeof literal)
            return false;
        memcpy(literal, pattern, part);
        literal[part] = 0;
        at = part ? strstr(text, literal) : text + strlen(text);
        if (!at || at == text)
            return false;
        got[n] = (struct capture){text, (size_t)(at - text)};
        text = at + part;
        pattern += part;
    }
    return !*text;
}

const char *language_reason(struct arena *a, const struct language *l, const char *reason) {
    struct capture got[CAPTURES_MAX];
    struct buf b;
    size_t n = 0;

    if (!l->reasons)
        return reason;
    for (const struct word *w = l->reasons; w->name; w++) {
        if (!matches(w->name, reason, got))
            continue;
        buf_init(&b, a, REASON_MAX);
        for (const char *p = w->text; *p; p++) {
            const char *part, *known;

            if (*p != '*') {
                buf_addc(&b, *p);
                continue;
            }
            part = arena_strndup(a, got[n].p, got[n].len);
            n++;
            known = language_reason(a, l, part);
            buf_adds(&b, known ? known : part);
        }
        return b.p;
    }
    return NULL;
}

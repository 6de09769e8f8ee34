#include "pages/words.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "web/preference.h"

/* A name that a stranger chose: in a box of its own, so that it is no part of the sentence. */
#define NAME "<bdi class=\"name\">{{client_name}}</bdi>"

static const struct word english[] = {
    {"consent_title", "Allow access?"},
    {"consent_heading", "Allow access to {{server_address}}?"},
    {"who_asks", "Who asks"},
    {"calls_itself", "It calls itself \xe2\x80\x9c" NAME "\xe2\x80\x9d. Only the address above is "
                     "checked, the name is not."},
    {"pinned",
     "The operator of this server has registered it as \xe2\x80\x9c" NAME "\xe2\x80\x9d."},
    {"unknown", "An unknown program"},
    {"unchecked",
     "It calls itself \xe2\x80\x9c" NAME "\xe2\x80\x9d. It has registered by itself, and nothing "
     "about it is checked."},
    {"wants_to", "It wants to"},
    {"answer_goes_to", "The answer goes to"},
    {"this_computer", "a program on this computer"},
    {"an_app", "the app for {{redirect_host}} on this device"},
    {"caution_title", "Have you just started this login?"},
    {"loopback_note",
     "The answer goes to a program on the computer that you are using, and nobody can check which "
     "one. Allow it only if you have just started the login in that program."},
    {"app_note", "The answer goes to whichever app on this device takes addresses that begin with "
                 "<strong>{{redirect_host}}:</strong>, and nobody can check which one. Allow it "
                 "only if you have "
                 "just started the login in that app."},
    {"web_note",
     "Anybody can make a program that asks here. Allow it only if you have just started "
     "the login at <strong>{{redirect_host}}</strong>."},
    {"confirm", "I have just started this login myself"},
    {"remember", "Do not ask again in this browser for {{remember_days}} days"},
    {"allow", "Allow"},
    {"deny", "Deny"},
    {"scope.openid", "Know who you are"},
    {"scope.email", "See your e-mail address"},
    {"scope.profile", "See your name and profile"},
    {"scope.phone", "See your phone number"},
    {"scope.mcp-server/tools", "Use this server\xe2\x80\x99s tools in your name"},
    {"continue_title", "One moment"},
    {"continue_link", "If nothing happens, <a href=\"{{uri}}\">continue here</a>."},
    {"error_title", "This did not work"},
    {"error_to_client", "Only if you trust it: <a href=\"{{client_uri}}\">go back to "
                        "<strong>{{client_host}}</strong></a>."},
    {"error_details", "Details"},
    {"error_reason", "Reason"},
    {"error_number", "Request number"},
    {"advice.client",
     "The program that sent you here is not one that this server can let in. Nothing was sent to "
     "it. Whoever makes the program, or the operator of this server, can mend that."},
    {"advice.again",
     "Go back to the program that sent you here, and start the login there once more."},
    {"advice.later", "This passes by itself. Wait a moment, and start the login once more."},
    {"advice.unreachable",
     "The program that sent you here names itself by an address, and there is no answer from there "
     "now. Wait a moment, and start the login once more. If that does not help, whoever makes the "
     "program can mend it."},
    {"advice.registration",
     "The program is not registered here any more. In the program, remove what it has stored of "
     "its "
     "login to this server, or remove the server and add it again; then start the login once more. "
     "The program registers again by itself."},
    {"advice.slow", "Too many requests came from your network. Wait a minute, and start the login "
                    "once more."},
    {"advice.operator",
     "Tell the operator of this server, and pass on the request number: only they can mend it."},
    {"advice.nothing", "There is nothing at this address."},
};

static const struct word japanese[] = {
    {"consent_title", "アクセスを許可しますか?"},
    {"consent_heading", "{{server_address}} へのアクセスを許可しますか?"},
    {"who_asks", "要求元"},
    {"calls_itself", "自称の名前は「" NAME "」です。確認済みなのは上のアドレスだけ"
                     "で、名前は確認されていません。"},
    {"pinned", "このサーバーの管理者が「" NAME "」として登録したものです。"},
    {"unknown", "不明なプログラム"},
    {"unchecked", "自称の名前は「" NAME "」です。自ら登録したもので、何も確認されていま"
                  "せん。"},
    {"wants_to", "求めている権限"},
    {"answer_goes_to", "結果の送り先"},
    {"this_computer", "このコンピューター上のプログラム"},
    {"an_app", "この端末にある {{redirect_host}} のアプリ"},
    {"caution_title", "このログインは、ご自身で今始めたものですか?"},
    {"loopback_note",
     "結果はお使いのコンピューター上のプログラムに送られます。どのプログラムであるかは確認できませ"
     "ん。そのプログラムでログインを始めた直後の場合にだけ許可してください。"},
    {"app_note", "結果は、この端末で <strong>{{redirect_host}}:</strong> "
                 "で始まるアドレスを受け取るアプリに送られ"
                 "ます。どのアプリであるかは確認できません。そのアプリでログインを始めた直後の場合"
                 "にだけ許可してく"
                 "ださい。"},
    {"web_note", "ここで許可を求めるプログラムは、誰でも作ることができます。<strong>{{redirect_"
                 "host}}</strong> でロ"
                 "グインを始めた直後の場合にだけ許可してください。"},
    {"confirm", "このログインは、今、自分で始めたものです"},
    {"remember", "このブラウザーでは {{remember_days}} 日間、再び確認しない"},
    {"allow", "許可する"},
    {"deny", "拒否する"},
    {"scope.openid", "あなたが誰であるかを知る"},
    {"scope.email", "メールアドレスを見る"},
    {"scope.profile", "名前とプロフィールを見る"},
    {"scope.phone", "電話番号を見る"},
    {"scope.mcp-server/tools", "あなたの名義でこのサーバーのツールを使う"},
    {"continue_title", "お待ちください"},
    {"continue_link", "画面が変わらない場合は、<a href=\"{{uri}}\">ここから続けてください</a>。"},
    {"error_title", "うまくいきませんでした"},
    {"error_to_client", "信頼できる場合にだけ: <a href=\"{{client_uri}}\">"
                        "<strong>{{client_host}}</strong> に戻る</a>"},
    {"error_details", "詳細"},
    {"error_reason", "理由"},
    {"error_number", "リクエスト番号"},
    {"advice.client",
     "このサーバーが受け入れられないプログラムからの要求です。そのプログラムには何も送られていませ"
     "ん。プログラムの開発元か、このサーバーの管理者にご連絡ください。"},
    {"advice.again", "元のプログラムに戻り、もう一度ログインを始めてください。"},
    {"advice.later", "一時的な問題です。少し待ってから、もう一度ログインを始めてください。"},
    {"advice.unreachable",
     "要求元のプログラムが名乗るアドレスから、今は応答がありません。少し待ってから、もう一度ログイ"
     "ンを"
     "始めてください。それでも変わらない場合は、プログラムの開発元にご連絡ください。"},
    {"advice.registration", "要求元のプログラムの登録は、このサーバーではもう有効ではありません。そ"
                            "のプログラムに保存されてい"
                            "る、このサーバーのログイン情報を消去するか、サーバーをいったん削除して"
                            "追加し直してから、もう一度"
                            "ログインを始めてください。プログラムは自動的に登録し直されます。"},
    {"advice.slow", "お使いのネットワークからの要求が多すぎます。1 分ほど待ってから、もう一度ログイ"
                    "ンを始めてください。"},
    {"advice.operator", "このサーバーの管理者に、リクエスト番号を添えてお知らせください。"},
    {"advice.nothing", "このアドレスには何もありません。"},
};

const struct language languages[LANGUAGE_COUNT] = {
    {"en", english, sizeof english / sizeof *english, NULL},
    {"ja", japanese, sizeof japanese / sizeof *japanese, reasons_ja},
};

const char *language_text(const struct language *l, const char *name) {
    for (size_t i = 0; i < l->word_count; i++)
        if (!strcmp(l->words[i].name, name))
            return l->words[i].text;
    return NULL;
}

/* RFC 4647 §3.4, Lookup: ja-JP is served by ja. */
static bool is_served_by(const struct preference *p, const char *tag) {
    size_t n = strlen(tag);

    return p->len >= n && !strncasecmp(p->range, tag, n) && (p->len == n || p->range[n] == '-');
}

/* What the header says about a language: its weight, and by which element. "*" speaks for those
 * that no other element names (RFC 4647 §2.2.1), and a language that is refused by its own name is
 * not served for the sake of a part of it. */
static int weight_of(const char *accept, const char *tag, size_t *at) {
    struct {
        int weight;
        size_t at;
    } named = {-1, 0}, others = {0, 0}, *kind;
    struct preference p;
    bool refused = false;

    for (size_t i = 0; preference_next(&accept, &p); i++) {
        if (is_served_by(&p, tag)) {
            refused = refused || (!p.weight && p.len == strlen(tag));
            kind = &named;
        } else if (p.len == 1 && *p.range == '*') {
            kind = &others;
        } else {
            continue;
        }
        if (p.weight > kind->weight) {
            kind->weight = p.weight;
            kind->at = i;
        }
    }
    if (named.weight < 0)
        named = others;
    *at = named.at;
    return refused ? 0 : named.weight;
}

const struct language *language_choose(const char *accept_language) {
    const struct language *best = &languages[0];
    const char *accept = accept_language ? accept_language : "";
    size_t best_at = 0, at;
    int best_weight = 0;

    for (size_t l = 0; l < LANGUAGE_COUNT; l++) {
        int weight = weight_of(accept, languages[l].tag, &at);

        if (weight > best_weight || (weight && weight == best_weight && at < best_at)) {
            best = &languages[l];
            best_weight = weight;
            best_at = at;
        }
    }
    return best;
}

const char *error_advice(enum rc code) {
    switch (code) {
    case ERR_UPSTREAM:
    case ERR_STORE:
        return "advice.later";
    case ERR_RATE_LIMITED:
        return "advice.slow";
    case ERR_MISCONFIGURED:
    case ERR_INTERNAL:
        return "advice.operator";
    case ERR_NOT_FOUND:
        return "advice.nothing";
    default:
        return "advice.again";
    }
}

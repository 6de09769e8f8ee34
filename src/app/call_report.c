#include "app/call_report.h"

#include "base/json_print.h"

#define US_PER_MS 1000
#define KIB_PER_MIB 1024

static const char *const status_words[] = {[CALL_OK] = "ok",
                                           [CALL_TOOL_ERROR] = "tool_error",
                                           [CALL_USAGE] = "usage",
                                           [CALL_INPUT_REQUIRED] = "input_required",
                                           [CALL_REFUSED] = "refused"};

static void print_line(FILE *out, const char *text, size_t len) {
    (void)fwrite(text, 1, len, out);
    if (len && text[len - 1] != '\n')
        (void)fputc('\n', out);
}

/* ---- notifications ---- */

static void print_progress(struct arena *a, const struct json *params) {
    const char *message = json_get_str(params, "message");

    (void)fprintf(stderr, "progress %s", json_text(a, json_get(params, "progress"), NULL));
    if (json_has(params, "total"))
        (void)fprintf(stderr, "/%s", json_text(a, json_get(params, "total"), NULL));
    (void)fprintf(stderr, "%s%s\n", message ? ": " : "", message ? message : "");
}

static void print_log(struct arena *a, const struct json *params) {
    const char *text = json_get_str(params, "data");

    (void)fprintf(stderr, "log %s (%s): %s\n", json_get_str(params, "level"),
                  json_get_str(params, "logger"),
                  text ? text : json_text(a, json_get(params, "data"), NULL));
}

void call_report_message(struct call_report *r, struct json *message) {
    const char *method = json_get_str(message, "method");
    const struct json *params = json_get(message, "params");

    json_add(r->messages, message);
    if (r->json || !method)
        return;
    if (!strcmp(method, "notifications/progress"))
        print_progress(r->arena, params);
    else if (!strcmp(method, "notifications/message"))
        print_log(r->arena, params);
}

/* ---- an example of an answer ---- */

/* A value that a property of a requestedSchema may have. */
static void put_example(struct arena *a, struct json *content, const char *name,
                        const struct json *schema) {
    const char *type = json_get_str(schema, "type");
    int64_t minimum = 0;

    (void)json_get_int(schema, "minimum", &minimum);
    if (json_has(schema, "default"))
        json_put(content, name, json_get(schema, "default"));
    else if (json_len(json_get(schema, "enum")))
        json_put(content, name, json_at(json_get(schema, "enum"), 0));
    else if (type && !strcmp(type, "boolean"))
        json_put_bool(content, name, true);
    else if (type && (!strcmp(type, "integer") || !strcmp(type, "number")))
        json_put_int(content, name, minimum);
    else if (type && !strcmp(type, "array"))
        json_put(content, name, json_new_array(a));
    else
        json_put_str(content, name, "");
}

static struct json *example_of_elicitation(struct arena *a, const struct json *params) {
    struct json *answer = json_new_object(a), *content = json_new_object(a);

    json_put_str(answer, "action", "accept");
    if (json_has(params, "url"))
        return answer;
    for (struct json_member m =
             json_first(json_get(json_get(params, "requestedSchema"), "properties"));
         m.key; json_next(&m))
        put_example(a, content, m.key, m.value);
    json_put(answer, "content", content);
    return answer;
}

static struct json *example_of_sampling(struct arena *a) {
    struct json *answer = json_new_object(a), *content = json_new_object(a);

    json_put_str(content, "type", "text");
    json_put_str(content, "text", "");
    json_put_str(answer, "role", "assistant");
    json_put(answer, "content", content);
    json_put_str(answer, "model", "none");
    return answer;
}

static struct json *example_of(struct arena *a, const struct json *request) {
    const char *method = json_get_str(request, "method");

    if (!strcmp(method, "elicitation/create"))
        return example_of_elicitation(a, json_get(request, "params"));
    if (!strcmp(method, "sampling/createMessage"))
        return example_of_sampling(a);
    return json_new_member(a, "roots", json_new_array(a));
}

/* ---- the end ---- */

static void print_result(struct call_report *r) {
    const struct json *content = json_get(r->result, "content");
    const struct json *structured = json_get(r->result, "structuredContent");
    const char *printed = NULL, *text;
    size_t len;

    for (size_t i = 0; i < json_len(content); i++) {
        text = json_strn(json_get(json_at(content, i), "text"), &len);
        if (text)
            print_line(stdout, printed = text, len);
        else
            json_print(stdout, json_at(content, i));
    }
    /* Its text is usually there already. */
    if (json_has(r->result, "structuredContent") &&
        (!printed || strcmp(printed, json_text(r->arena, structured, NULL)) != 0))
        json_print(stdout, structured);
}

static void print_requests(struct call_report *r) {
    struct json *requests = json_get(r->result, "inputRequests"), *example;

    example = json_new_object(r->arena);
    for (struct json_member m = json_first(requests); m.key; json_next(&m))
        json_put(example, m.key, example_of(r->arena, m.value));
    json_print(stdout, requests);
    (void)fprintf(stderr, "The tool asks for input. Answer with: --input '%s'\n",
                  json_text(r->arena, example, NULL));
}

static void print_usage(const struct call_report *r, enum call_status status) {
    const struct program_usage *u = r->usage;

    (void)fprintf(stderr, "%s: %s", r->tool, r->outcome ? r->outcome : status_words[status]);
    if (!u->runs) {
        (void)fputs(", no program was started\n", stderr);
        return;
    }
    (void)fprintf(stderr, ", %lld ms, CPU %lld.%lld ms, memory %lld.%lld MiB", (long long)u->ms,
                  (long long)u->cpu_us / US_PER_MS,
                  (long long)u->cpu_us % US_PER_MS * 10 / US_PER_MS,
                  (long long)u->max_rss_kib / KIB_PER_MIB,
                  (long long)u->max_rss_kib % KIB_PER_MIB * 10 / KIB_PER_MIB);
    (void)fprintf(stderr, u->runs > 1 ? ", %u runs\n" : "\n", u->runs);
}

static void write_json(struct call_report *r, enum call_status status, const struct err *e) {
    const struct program_usage *u = r->usage;
    struct json *o = json_new_object(r->arena);

    json_put_str(o, "tool", r->tool);
    json_put_str(o, "status", status_words[status]);
    json_put_str(o, "outcome", r->outcome);
    if (e->code)
        json_put_str(o, "error", e->text);
    if (r->result && !e->code)
        json_put(o, "result", r->result);
    json_put(o, "messages", r->messages);
    json_put(o, "stderr", json_new_stringn(r->arena, u->err.p, u->err.len));
    json_put_int(o, "runs", u->runs);
    json_put_int(o, "ms", u->ms);
    json_put_int(o, "cpu_us", u->cpu_us);
    json_put_int(o, "max_rss_kib", u->max_rss_kib);
    (void)fprintf(stdout, "%s\n", json_text(r->arena, o, NULL));
}

static void write_text(struct call_report *r, enum call_status status, const struct err *e) {
    print_line(stderr, r->usage->err.p, r->usage->err.len);
    if (status == CALL_REFUSED)
        (void)fprintf(stderr, "The call is refused: %s%s%s%s\n", e->text, *e->detail ? " (" : "",
                      e->detail, *e->detail ? ")" : "");
    else if (status == CALL_INPUT_REQUIRED)
        print_requests(r);
    else
        print_result(r);
}

bool call_report_write(struct call_report *r, enum call_status status, const struct err *e) {
    bool good;

    if (r->json)
        write_json(r, status, e);
    else
        write_text(r, status, e);
    good = !fflush(stdout) && !ferror(stdout);
    if (!r->json)
        print_usage(r, status);
    return good;
}

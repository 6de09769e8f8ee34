/* Each keyword: valid values, and the errors of others. tests/e2e/schema-ajv.test.mjs compares
 * the results with another implementation. */
#include "unit.h"

#include "jsonschema/schema.h"

static enum rc check(struct arena *a, const char *schema, const char *instance,
                     struct schema_error *why) {
    struct json *s, *v;
    struct schema *compiled;
    struct err e = {0};

    if (json_parse(a, schema, strlen(schema), &s, &e))
        fail_msg("%s: %s", schema, e.text);
    if (json_parse(a, instance, strlen(instance), &v, &e))
        fail_msg("%s: %s", instance, e.text);
    if (schema_compile(a, s, &compiled, &e))
        fail_msg("%s: %s", schema, e.text);
    return schema_check(compiled, v, a, why);
}

struct row {
    const char *schema, *valid, *invalid; /* valid may be NULL */
    const char *instance, *keyword, *reason;
};

static void run(struct arena *a, const struct row *rows, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
        struct schema_error why;

        if (r->valid && check(a, r->schema, r->valid, &why))
            fail_msg("%s refuses %s: %s", r->schema, r->valid, why.reason);
        if (check(a, r->schema, r->invalid, &why) != ERR_INVALID_REQUEST)
            fail_msg("%s accepts %s", r->schema, r->invalid);
        assert_string_equal(why.instance, r->instance);
        assert_string_equal(why.keyword, r->keyword);
        assert_string_equal(why.reason, r->reason);
    }
}
#define RUN(rows) run(*state, rows, sizeof(rows) / sizeof *(rows))

static void values_alone(void **state) {
    static const struct row rows[] = {
        {"false", NULL, "1", "", "#", "is not allowed"},
        {"{\"type\":\"string\"}", "\"\"", "1", "", "#/type", "must be a string"},
        {"{\"type\":[\"integer\",\"null\"]}", "1.0", "1.5", "", "#/type",
         "must be null or an integer"},
        {"{\"type\":\"integer\"}", "1e20", "\"1\"", "", "#/type", "must be an integer"},
        {"{\"type\":\"number\"}", "1e308", "1e400", "", "#/type", "must be a number"},
        {"{\"const\":{\"a\":[1,null]}}", "{\"a\":[1.0,null]}", "{\"a\":[1]}", "", "#/const",
         "must be {\"a\":[1,null]}"},
        {"{\"enum\":[\"red\",2]}", "2.0", "\"2\"", "", "#/enum", "must be one of [\"red\",2]"},
        {"{\"const\":0}", "-0.0", "false", "", "#/const", "must be 0"},
        {"{\"const\":9007199254740993}", "9007199254740993", "9007199254740992", "", "#/const",
         "must be 9007199254740993"},
        {"{\"multipleOf\":0.01}", "4.5", "4.505", "", "#/multipleOf", "must be a multiple of 0.01"},
        {"{\"multipleOf\":3}", "9223372036854775806", "9223372036854775807", "", "#/multipleOf",
         "must be a multiple of 3"},
        {"{\"maximum\":3}", "3.0", "3.5", "", "#/maximum", "must be at most 3"},
        {"{\"exclusiveMaximum\":3}", "2", "3", "", "#/exclusiveMaximum", "must be less than 3"},
        {"{\"minimum\":3}", "3", "-4", "", "#/minimum", "must be at least 3"},
        {"{\"exclusiveMinimum\":3}", "3.1", "3", "", "#/exclusiveMinimum", "must be more than 3"},
        {"{\"maxLength\":2}", "\"\xf0\x9f\x98\x80\xc3\xa9\"", "\"abc\"", "", "#/maxLength",
         "must have at most 2 characters"},
        {"{\"minLength\":1}", "\"\xf0\x9f\x98\x80\"", "\"\"", "", "#/minLength",
         "must have at least 1 character"},
        {"{\"pattern\":\"^[a-z]+$\"}", "\"abc\"", "\"abc\\n\"", "", "#/pattern",
         "must match the pattern ^[a-z]+$"},
    };
    RUN(rows);
}

static void arrays(void **state) {
    static const struct row rows[] = {
        {"{\"maxItems\":1}", "[1]", "[1,2]", "", "#/maxItems", "must have at most 1 item"},
        {"{\"minItems\":2}", "[1,2]", "[]", "", "#/minItems", "must have at least 2 items"},
        {"{\"uniqueItems\":true}", "[1,\"1\",[1],{\"a\":1}]",
         "[{\"a\":1,\"b\":2},3,{\"b\":2.0,\"a\":1}]", "", "#/uniqueItems",
         "must have no equal items, but has at 0 and 2"},
        {"{\"items\":{\"type\":\"string\"}}", "[\"a\"]", "[\"a\",null]", "/1", "#/items/type",
         "must be a string"},
        {"{\"prefixItems\":[{\"const\":1}],\"items\":false}", "[1]", "[1,2]", "/1", "#/items",
         "is one item too many"},
        {"{\"prefixItems\":[true,{\"const\":1}]}", "[0]", "[0,2]", "/1", "#/prefixItems/1/const",
         "must be 1"},
        {"{\"contains\":{\"const\":1},\"minContains\":2}", "[1,1]", "[1,2]", "", "#/contains",
         "must contain at least 2 items of the kind that the schema describes"},
        {"{\"contains\":{\"const\":1},\"maxContains\":1}", "[1,2]", "[1,1]", "", "#/maxContains",
         "must contain at most 1 item of the kind that the schema describes"},
        {"{\"allOf\":[{\"prefixItems\":[true]}],\"contains\":{\"const\":7},"
         "\"unevaluatedItems\":false}",
         "[1,7]", "[1,7,2]", "/2", "#/unevaluatedItems", "is one item too many"},
    };
    RUN(rows);
}

static void objects(void **state) {
    static const struct row rows[] = {
        {"{\"required\":[\"a\",\"b\"]}", "{\"a\":null,\"b\":1}", "{\"a\":1}", "", "#/required",
         "must have the property \"b\""},
        {"{\"maxProperties\":1}", "{}", "{\"a\":1,\"b\":1}", "", "#/maxProperties",
         "must have at most 1 property"},
        {"{\"minProperties\":2}", "{\"a\":1,\"b\":1}", "{}", "", "#/minProperties",
         "must have at least 2 properties"},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"b\":1}", "{\"a\":1}", "",
         "#/dependentRequired", "must have the property \"b\" if it has \"a\""},
        {"{\"properties\":{\"a\":{\"properties\":{\"b/c\":{\"type\":\"null\"}}}}}",
         "{\"a\":{\"b/c\":null}}", "{\"a\":{\"b/c\":1}}", "/a/b~1c",
         "#/properties/a/properties/b~1c/type", "must be null"},
        {"{\"patternProperties\":{\"^x-\":{\"type\":\"string\"}}}", "{\"y\":1}", "{\"x-a\":1}",
         "/x-a", "#/patternProperties/^x-/type", "must be a string"},
        {"{\"properties\":{\"a\":true},\"patternProperties\":{\"^x\":true},"
         "\"additionalProperties\":false}",
         "{\"a\":1,\"x1\":2}", "{\"a\":1,\"b\":2}", "/b", "#/additionalProperties",
         "is not a known property"},
        {"{\"propertyNames\":{\"maxLength\":2}}", "{\"ab\":1}", "{\"abc\":1}", "/abc",
         "#/propertyNames/maxLength", "must have at most 2 characters"},
        {"{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}}}", "{\"c\":1}", "{\"a\":1}", "",
         "#/dependentSchemas/a/required", "must have the property \"b\""},
        {"{\"dependencies\":{\"a\":[\"b\"]}}", "{}", "{\"a\":1}", "", "#/dependencies",
         "must have the property \"b\" if it has \"a\""},
        {"{\"anyOf\":[{\"properties\":{\"a\":true}},{\"properties\":{\"b\":{\"const\":1}}}],"
         "\"unevaluatedProperties\":false}",
         "{\"a\":1,\"b\":1}", "{\"a\":1,\"b\":2}", "/b", "#/unevaluatedProperties",
         "is not a known property"},
        /* What a branch has seen that fails in the end, nobody has seen. */
        {"{\"anyOf\":[{\"properties\":{\"a\":true},\"not\":{}},{\"properties\":{\"b\":true}}],"
         "\"unevaluatedProperties\":false}",
         "{\"b\":1}", "{\"a\":1}", "/a", "#/unevaluatedProperties", "is not a known property"},
    };
    RUN(rows);
}

static void schemas_of_schemas(void **state) {
    static const struct row rows[] = {
        {"{\"allOf\":[{\"minimum\":1},{\"maximum\":2}]}", "1", "3", "", "#/allOf/1/maximum",
         "must be at most 2"},
        {"{\"anyOf\":[{\"type\":\"null\"},{\"minimum\":1}]}", "null", "0", "", "#/anyOf",
         "matches none of the 2 alternatives"},
        {"{\"anyOf\":[{\"minimum\":1}]}", "1", "0", "", "#/anyOf/0/minimum", "must be at least 1"},
        {"{\"oneOf\":[{\"minimum\":1},{\"maximum\":2}]}", "0", "1", "", "#/oneOf",
         "matches alternatives 0 and 1, but must match one alone"},
        {"{\"oneOf\":[{\"const\":1},{\"const\":2}]}", "1", "3", "", "#/oneOf",
         "matches none of the 2 alternatives"},
        {"{\"not\":{\"type\":\"null\"}}", "1", "null", "", "#/not",
         "matches what it must not match"},
        {"{\"if\":{\"type\":\"string\"},\"then\":{\"minLength\":1},\"else\":{\"minimum\":1}}",
         "\"a\"", "\"\"", "", "#/then/minLength", "must have at least 1 character"},
        {"{\"if\":{\"type\":\"string\"},\"then\":{\"minLength\":1},\"else\":{\"minimum\":1}}", "1",
         "0", "", "#/else/minimum", "must be at least 1"},
        {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"null\"}}}", "null", "1", "",
         "#/$defs/a/type", "must be null"},
        {"{\"$id\":\"https://x.example/a/b\",\"$ref\":\"c#n\",\"$defs\":{\"k\":{\"$id\":\"c\","
         "\"$defs\":{\"m\":{\"$anchor\":\"n\",\"type\":\"null\"}}}}}",
         "null", "1", "", "#/$defs/k/$defs/m/type", "must be null"},
        /* Core, appendix C: a tree that is strict where the outer schema says so. */
        {"{\"$id\":\"https://x.example/strict\",\"$dynamicAnchor\":\"node\",\"$ref\":\"tree\","
         "\"unevaluatedProperties\":false,\"$defs\":{\"t\":{\"$id\":\"tree\","
         "\"$dynamicAnchor\":\"node\",\"type\":\"object\",\"properties\":{\"data\":true,"
         "\"children\":{\"type\":\"array\",\"items\":{\"$dynamicRef\":\"#node\"}}}}}}",
         "{\"children\":[{\"data\":1}]}", "{\"children\":[{\"daat\":1}]}", "/children/0/daat",
         "#/unevaluatedProperties", "is not a known property"},
        /* Annotations never fail a value: see the last row. */
        {"{\"format\":\"email\",\"contentEncoding\":\"base64\",\"x-mine\":7,\"type\":\"string\"}",
         "\"?\"", "1", "", "#/type", "must be a string"},
    };
    RUN(rows);
}

static void draft_07(void **state) {
#define DRAFT_7 "{\"$schema\":\"http://json-schema.org/draft-07/schema#\","
    static const struct row rows[] = {
        {DRAFT_7 "\"items\":[{\"type\":\"string\"}],\"additionalItems\":{\"type\":\"null\"}}",
         "[\"a\",null]", "[\"a\",1]", "/1", "#/additionalItems/type", "must be null"},
        {DRAFT_7 "\"items\":[{\"type\":\"string\"}]}", "[\"a\",1]", "[1]", "/0", "#/items/0/type",
         "must be a string"},
        {DRAFT_7 "\"dependencies\":{\"a\":{\"required\":[\"b\"]}}}", "{}", "{\"a\":1}", "",
         "#/dependencies/a/required", "must have the property \"b\""},
        {DRAFT_7
         "\"$ref\":\"#/definitions/a\",\"type\":\"string\",\"definitions\":{\"a\":{\"type\":"
         "\"null\"}}}",
         "null", "\"a\"", "", "#/definitions/a/type", "must be null"},
        {DRAFT_7 "\"unevaluatedProperties\":false,\"prefixItems\":[false],\"type\":[\"object\","
                 "\"array\"]}",
         "{\"a\":1}", "1", "", "#/type", "must be an object or an array"},
    };
    RUN(rows);
}

static void wrong_schemas_are_refused_with_place_and_reason(void **state) {
    static const struct {
        const char *schema, *text;
    } rows[] = {
        {"1", "#: must be a schema, which is an object or a boolean"},
        {"{\"$schema\":\"http://json-schema.org/draft-04/schema#\"}",
         "#/$schema: the dialect \"http://json-schema.org/draft-04/schema#\" is not supported; "
         "2020-12 and draft-07 are"},
        {"{\"properties\":{\"a\":{\"type\":\"text\"}}}",
         "#/properties/a/type: must be a type or an array of different types: null, boolean, "
         "object, array, number, string, integer"},
        {"{\"properties\":{\"a\":null}}",
         "#/properties/a: must be a schema, which is an object or a boolean"},
        {"{\"items\":[{}]}",
         "#/items: must be a schema; an array of schemas goes into prefixItems"},
        {"{\"allOf\":[{\"$ref\":\"#/$defs/x\"}]}",
         "#/allOf/0/$ref: leads nowhere in this document"},
        {"{\"$ref\":\"https://example.com/other\"}",
         "#/$ref: refers to what is not in this document; nothing else is read"},
        {"{\"pattern\":\"(\"}",
         "#/pattern: \"(\" is not a usable pattern: a parenthesis is not closed"},
        {"{\"pattern\":\"(?:(a)|b)*\\\\1\"}",
         "#/pattern: \"(?:(a)|b)*\\1\" is not a usable pattern: a back reference to a group in a "
         "repetition is not supported"},
        {"{\"patternProperties\":{\"a**\":{}}}",
         "#/patternProperties: \"a**\" is not a usable pattern: a repetition follows nothing that "
         "can be repeated"},
        /* The rest is PCRE2's own text, by version. */
        {"{\"pattern\":\"(?<=a*)b\"}", "#/pattern: \"(?<=a*)b\" is not a usable pattern: *"},
        {"{\"pattern\":\"\\\\ud800\"}", "#/pattern: \"\\ud800\" is not a usable pattern: half of a "
                                        "surrogate pair is no character here"},
        {"{\"required\":[\"a\",\"a\"]}", "#/required: must be an array of different strings"},
        {"{\"$defs\":{\"a\":{\"$anchor\":\"x\"},\"b\":{\"$anchor\":\"x\"}}}",
         "#/$defs/b/$anchor: is the name of another schema too"},
        {"{\"$defs\":{\"a\":{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}}}",
         "#/$defs/a/$schema: must be the dialect of the whole document"},
        {"{\"properties\":{\"\xc3\xa9\":1}}",
         "#/properties/??: must be a schema, which is an object or a boolean"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json *s;
        struct schema *compiled;
        struct err e = {0};

        assert_int_equal(json_parse(*state, rows[i].schema, strlen(rows[i].schema), &s, &e), OK);
        assert_int_equal(schema_compile(*state, s, &compiled, &e), ERR_INVALID_REQUEST);
        assert_null(compiled);
        if (rows[i].text[strlen(rows[i].text) - 1] == '*')
            assert_memory_equal(e.text, rows[i].text, strlen(rows[i].text) - 1);
        else
            assert_string_equal(e.text, rows[i].text);
    }
}

static void a_schema_outlives_its_document(void **state) {
    struct arena *document = arena_new(1 << 20);
    struct json *s, *v;
    struct schema *compiled;
    struct schema_error why;
    struct err e = {0};
    static const char text[] =
        "{\"properties\":{\"a\":{\"enum\":[\"x\"]}},\"patternProperties\":{\"^b\":false}}";

    assert_int_equal(json_parse(document, text, strlen(text), &s, &e), OK);
    assert_int_equal(schema_compile(*state, s, &compiled, &e), OK);
    arena_free(document);
    assert_int_equal(json_parse(*state, "{\"a\":\"y\"}", 9, &v, &e), OK);
    assert_int_equal(schema_check(compiled, v, *state, &why), ERR_INVALID_REQUEST);
    assert_string_equal(why.reason, "must be one of [\"x\"]");
    assert_int_equal(schema_check(compiled, NULL, *state, &why), OK); /* JSON null */
}

static void bounds_are_hit_with_a_reason(void **state) {
    struct schema_error why;

    assert_int_equal(check(*state, "{\"$ref\":\"#\"}", "1", &why), ERR_TOO_LARGE);
    assert_string_equal(why.reason, "leads through more than 256 schemas within each other");
    assert_int_equal(check(*state, "{\"not\":{\"not\":{\"$ref\":\"#\"}}}", "1", &why),
                     ERR_TOO_LARGE);
    assert_int_equal(check(*state, "{\"items\":{\"pattern\":\"(a+)+$\"}}",
                           "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"]", &why),
                     ERR_TOO_LARGE);
    assert_string_equal(why.reason, "takes too long to match against the pattern (a+)+$");
    assert_string_equal(why.instance, "/0");
    assert_string_equal(why.keyword, "#/items/pattern");
}

/* Places and reasons are cut, at a character. */
static void long_names_are_cut(void **state) {
    struct schema_error why;
    char name[2 * SCHEMA_TEXT_MAX + 1];
    size_t len;

    for (size_t i = 0; i < sizeof name - 1; i += 2)
        memcpy(name + i, "\xc3\xa9", 2);
    name[sizeof name - 1] = 0;
    assert_int_equal(
        check(*state, arena_printf(*state, "{\"required\":[\"%s\"]}", name), "{}", &why),
        ERR_INVALID_REQUEST);
    assert_true(strlen(why.reason) < 200);
    assert_int_equal(check(*state, "{\"additionalProperties\":{\"additionalProperties\":false}}",
                           arena_printf(*state, "{\"%s\":{\"%s\":1}}", name, name), &why),
                     ERR_INVALID_REQUEST);
    len = strlen(why.instance);
    assert_in_range(len, SCHEMA_TEXT_MAX - 4, SCHEMA_TEXT_MAX - 1);
    assert_int_equal(len % 2, 1); /* the slash and whole characters */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_ARENA(values_alone),
        WITH_ARENA(arrays),
        WITH_ARENA(objects),
        WITH_ARENA(schemas_of_schemas),
        WITH_ARENA(draft_07),
        WITH_ARENA(wrong_schemas_are_refused_with_place_and_reason),
        WITH_ARENA(a_schema_outlives_its_document),
        WITH_ARENA(bounds_are_hit_with_a_reason),
        WITH_ARENA(long_names_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

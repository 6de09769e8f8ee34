#include "unit.h"

#include "aws/dynamodb.h"

static void it_is_the_crc_of_zip(void **state) {
    (void)state;
    assert_int_equal(dynamodb_crc32("", 0), 0);
    assert_int_equal(dynamodb_crc32("123456789", 9), 0xcbf43926); /* the catalogue's check value */
    assert_int_equal(dynamodb_crc32("{}", 2), 2745614147);        /* as DynamoDB sends it */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_the_crc_of_zip)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

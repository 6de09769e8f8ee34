/* Evaluation: one schema after the other, within bounds. */
#ifndef JSONSCHEMA_CHECK_H
#define JSONSCHEMA_CHECK_H

#include "jsonschema/evaluation.h"

/* Is it what the schema wants? */
bool check_node(struct check *c, const struct node *n, const struct instance *at);
bool check_member(struct check *c, const struct node *n, const struct instance *object,
                  const struct json_member *m);
bool check_item(struct check *c, const struct node *n, const struct instance *array, size_t i);
/* The same as check_node, and a failure leaves no trace, neither in *why nor in at->evaluated. */
bool check_quietly(struct check *c, const struct node *n, const struct instance *at);

/* assertions.c */
check_fn check_type, check_enum, check_const, check_multiple_of, check_bound, check_limit,
    check_pattern, check_unique_items, check_required, check_dependent_required;
/* applicators.c */
check_fn check_dependencies, check_ref, check_dynamic_ref, check_all_of, check_any_of, check_one_of,
    check_not, check_if, check_dependent_schemas;
/* children.c */
check_fn check_properties, check_pattern_properties, check_additional_properties,
    check_property_names, check_prefix_items, check_items, check_contains,
    check_unevaluated_properties, check_unevaluated_items;

#endif

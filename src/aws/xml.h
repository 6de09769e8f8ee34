/* As much of XML as the answers of the Security Token Service have. */
#pragma once

#include "base/base.h"

/* The text of the element at a path such as "Response/Result/Name"; NULL if the document is not
 * well-formed, has what no answer of AWS has (a DTD), or lacks that element. */
const char *aws_xml_text(struct arena *a, const char *xml, size_t len, const char *path);

/* The files in share/templates, each as a string: what an admin copies and changes is what is built
 * in. (The Makefile knows that this file depends on them.) */
#include "pages/page.h"

#define BUILTIN(symbol, file)                                                                      \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global " #symbol "\n"                                                                \
            ".hidden " #symbol "\n"                                                                \
            ".type " #symbol ", @object\n" #symbol ":\n"                                           \
            ".incbin \"share/templates/" file "\"\n"                                               \
            ".byte 0\n"                                                                            \
            ".size " #symbol ", . - " #symbol "\n"                                                 \
            ".popsection\n")

BUILTIN(page_builtin_consent, "consent.html");
BUILTIN(page_builtin_continue, "continue.html");
BUILTIN(page_builtin_error, "error.html");
BUILTIN(page_builtin_style, "style.css");

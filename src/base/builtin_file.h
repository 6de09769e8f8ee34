/* Files of ours that become a part of the program. */
#pragma once

/* The symbol is the file of ours as a string. (The Makefile knows which object depends on it.) */
#define BUILTIN_FILE(symbol, file)                                                                 \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global " #symbol "\n"                                                                \
            ".hidden " #symbol "\n"                                                                \
            ".type " #symbol ", @object\n" #symbol ":\n"                                           \
            ".incbin \"" file "\"\n"                                                               \
            ".byte 0\n"                                                                            \
            ".size " #symbol ", . - " #symbol "\n"                                                 \
            ".popsection\n")

/* The files in a skill's folder (SEP-2640 "Resources"). Names that begin with a dot, such as .git,
 * are not served and not looked at. Symbolic links are refused: a skill is often somebody else's
 * work, and must not choose which of this host's files are served. */
#pragma once

#include "base/file.h"
#include "crypto/digest.h"

/* Limits of a skill (docs/skills.md); the first two are those of SEP-2640 "Limits". */
#define SKILL_FILES_MAX 512                      /* with SKILL.md; and as many folders */
#define SKILL_FILES_BYTES_MAX ((size_t)16 << 20) /* all files together */
#define SKILL_DEPTH_MAX 16                       /* folders in folders */
#define SKILL_PATH_MAX 1024                      /* bytes of a path in the folder */

struct skill_file {
    const char *path; /* in the folder, such as "references/FORMS.md" */
    bool is_folder;
    size_t size;                     /* of a file: bytes */
    char digest[2 * SHA256_LEN + 1]; /* of a file: SHA-256 in lower-case hexadecimal digits */
};

struct skill_files {
    struct skill_file *list; /* sorted by path; folders too, without the skill's own */
    size_t count, files, bytes;
};

/* Reads all of them. `keep` has the list. ERR_INVALID_REQUEST with the reason, and the path below
 * the folder in e->position.file, which is in `keep` too. */
enum rc skill_files_read(struct arena *keep, const char *folder, struct skill_files *out,
                         struct err *e) MUST_USE;
/* The one with this path; NULL: there is none. */
const struct skill_file *skill_files_find(const struct skill_files *files, const char *path);
/* Tells one content of the folder, and of a file beside it (NULL: there is none), from another
 * without reading them: fills *out with the sum of their sizes and the newest of their times.
 * out->st_ino is 0 if skill_files_read would refuse them. */
void skill_files_stat(const char *folder, const struct stat *beside, struct stat *out);

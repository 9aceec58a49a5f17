/* The C interface of Holdall: open, list, read, convert, verify. Small and stable: functions are only ever added, under a new
 * symbol version; numbers never change their meaning.
 *
 * Errors: a function that can fail takes `holdall_error** error`, which may be NULL. On failure *error is set to an error that
 * the caller frees with holdall_error_free(); on success it is left alone.
 * Thread-safety: a model may be used from several threads; everything else belongs to one. Ownership: texts and arrays returned
 * for a model or an error live as long as it does.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define HOLDALL_API __attribute__((visibility("default")))
#else
#define HOLDALL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What went wrong. Stored by callers: never renumbered. */
typedef enum holdall_code {
  HOLDALL_OK = 0,
  HOLDALL_INVALID_ARGUMENT = 1,
  HOLDALL_NOT_FOUND = 2,
  HOLDALL_ALREADY_EXISTS = 3,
  HOLDALL_CORRUPT = 4,
  HOLDALL_UNSUPPORTED = 5,
  HOLDALL_LIMIT = 6,
  HOLDALL_LOSS = 7,
  HOLDALL_UNSAFE = 8,
  HOLDALL_DENIED = 9,
  HOLDALL_CONFLICT = 10,
  HOLDALL_IO = 11,
  HOLDALL_OUT_OF_MEMORY = 12,
  HOLDALL_CANCELLED = 13,
  HOLDALL_INTERNAL = 14
} holdall_code;

typedef struct holdall_error holdall_error;
typedef struct holdall_model holdall_model;

/* "0.1.0" */
HOLDALL_API const char* holdall_version(void);

HOLDALL_API holdall_code holdall_error_code(const holdall_error* error);
/* "model.pt @ 1042: tensor 'w': …" */
HOLDALL_API const char* holdall_error_text(const holdall_error* error);
/* The file or member; "" when not known. */
HOLDALL_API const char* holdall_error_path(const holdall_error* error);
/* Byte offset in it; UINT64_MAX when not known. */
HOLDALL_API uint64_t holdall_error_offset(const holdall_error* error);
/* NULL is allowed. */
HOLDALL_API void holdall_error_free(holdall_error* error);

/* Opens a file or folder as whatever model it holds; no tensor byte is read. NULL on failure. */
HOLDALL_API holdall_model* holdall_open(const char* path, holdall_error** error);
/* NULL is allowed. */
HOLDALL_API void holdall_close(holdall_model* model);

/* The id of the format: "pytorch". */
HOLDALL_API const char* holdall_format(const holdall_model* model);
/* Named tensors; indices run from 0 to count - 1. What is asked for an index beyond gives NULL, 0 or an error. */
HOLDALL_API size_t holdall_count(const holdall_model* model);
HOLDALL_API const char* holdall_name(const holdall_model* model, size_t index);
/* The index of a name; SIZE_MAX when there is none. */
HOLDALL_API size_t holdall_find(const holdall_model* model, const char* name);
/* "float32" */
HOLDALL_API const char* holdall_dtype(const holdall_model* model, size_t index);
/* Sizes, outermost first; *rank gets their number. NULL for a scalar. */
HOLDALL_API const uint64_t* holdall_shape(const holdall_model* model, size_t index, size_t* rank);
HOLDALL_API uint64_t holdall_elements(const holdall_model* model, size_t index);
/* Of the elements row-major, little-endian, without gaps. */
HOLDALL_API uint64_t holdall_bytes(const holdall_model* model, size_t index);
/* Reads them; `size` must be holdall_bytes(). */
HOLDALL_API holdall_code holdall_read(const holdall_model* model, size_t index, void* buffer, uint64_t size,
                                      holdall_error** error);

/* What convert may do beyond its default. */
enum { HOLDALL_ALLOW_LOSS = 1, HOLDALL_CHECK = 2 };

/* Converts a file or folder. `to` is the id of the format to write, or NULL: by the extension of `output`. `flags` is a sum of
 * HOLDALL_ALLOW_LOSS (what the target cannot hold is left out) and HOLDALL_CHECK (the result is read back and every digest
 * compared). */
HOLDALL_API holdall_code holdall_convert(const char* input, const char* output, const char* to, unsigned flags,
                                         holdall_error** error);
/* Compares every structural rule and checksum. A file that is not whole is HOLDALL_CORRUPT, with the first fault as the error.
 */
HOLDALL_API holdall_code holdall_verify(const char* path, holdall_error** error);
/* `inspect --json` without digests; NULL on failure. Freed with holdall_text_free(). */
HOLDALL_API char* holdall_inspect(const char* path, holdall_error** error);
/* `scan --json`; NULL only when memory runs out. Freed with holdall_text_free(). */
HOLDALL_API char* holdall_scan(const char* path, holdall_error** error);
/* NULL is allowed. */
HOLDALL_API void holdall_text_free(char* text);

#ifdef __cplusplus
}
#endif

/* The C interface from C11: interface_test MODEL OUTPUT. The model is a checkpoint with a float32 tensor; prints what the test that
 * started it compares. */
#include "holdall/c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char* what, holdall_error* error) {
  fprintf(stderr, "%s: %s\n", what, error != NULL ? holdall_error_text(error) : "no error was given");
  holdall_error_free(error);
  return 1;
}

static int print_tensors(const holdall_model* model) {
  for (size_t i = 0; i < holdall_count(model); ++i) {
    size_t rank = 0;
    const uint64_t* shape = holdall_shape(model, i, &rank);
    printf("%s %s", holdall_name(model, i), holdall_dtype(model, i));
    for (size_t d = 0; d < rank; ++d) printf(" %" PRIu64, shape[d]);
    printf(" : %" PRIu64 " bytes", holdall_bytes(model, i));
    if (strcmp(holdall_dtype(model, i), "float32") == 0) {
      holdall_error* error = NULL;
      float* values = malloc((size_t)holdall_bytes(model, i) + 1);
      if (holdall_read(model, i, values, holdall_bytes(model, i), &error) != HOLDALL_OK) {
        free(values);
        return fail("read", error);
      }
      double sum = 0;
      for (uint64_t k = 0; k < holdall_elements(model, i); ++k) sum += values[k];
      printf(" sum %.9g", sum);
      free(values);
    }
    printf("\n");
    if (holdall_find(model, holdall_name(model, i)) != i) return fail("find", NULL);
  }
  return 0;
}

static int check_errors(const holdall_model* model) {
  holdall_error* error = NULL;
  char byte = 0;
  if (holdall_open("/no/such/file", &error) != NULL) return fail("a file that is not there opened", NULL);
  if (holdall_error_code(error) != HOLDALL_NOT_FOUND) return fail("another code than 'not found'", error);
  if (strstr(holdall_error_text(error), "/no/such/file") == NULL) return fail("the path is not named", error);
  holdall_error_free(error);
  if (holdall_open("/no/such/file", NULL) != NULL) return fail("a file that is not there opened", NULL);
  error = NULL;
  if (holdall_read(model, holdall_count(model), &byte, 1, &error) != HOLDALL_INVALID_ARGUMENT) return fail("index", error);
  holdall_error_free(error);
  error = NULL;
  if (holdall_read(model, 0, &byte, UINT64_MAX, &error) != HOLDALL_INVALID_ARGUMENT) return fail("size", error);
  holdall_error_free(error);
  if (holdall_name(model, holdall_count(model)) != NULL || holdall_find(model, "no such tensor") != SIZE_MAX) {
    return fail("names", NULL);
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  holdall_error* error = NULL;
  holdall_model* model = holdall_open(argv[1], &error);
  if (model == NULL) return fail("open", error);
  printf("%s\n", holdall_format(model));
  if (print_tensors(model) != 0 || check_errors(model) != 0) return 1;
  holdall_close(model);
  holdall_close(NULL);
  if (holdall_verify(argv[1], &error) != HOLDALL_OK) return fail("verify", error);
  if (holdall_convert(argv[1], argv[2], NULL, HOLDALL_CHECK, &error) != HOLDALL_OK) return fail("convert", error);
  char* document = holdall_inspect(argv[2], &error);
  if (document == NULL) return fail("inspect", error);
  if (strstr(document, "\"verdict\":\"inert\"") == NULL) return fail(document, NULL);
  holdall_text_free(document);
  document = holdall_scan(argv[2], &error);
  if (document == NULL || strstr(document, "\"verdict\":\"inert\"") == NULL) return fail("scan", error);
  holdall_text_free(document);
  return 0;
}

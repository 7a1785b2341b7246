/* Which library this is: what Python expects, and what it was built for. */
#include "export.h"

/* Grows with every change of what api.c exports: a library of another one is not used. */
EXPORT const char* fhenn_version(void) { return "1"; }

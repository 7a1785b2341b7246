/* Which library this is: what Python expects, and what it was built for. */
#include "export.h"

/* FHENN_ABI grows with every change of what is exported (build.py): a library of another one is not used. */
EXPORT const char* fhenn_version(void) { return FHENN_ABI; }

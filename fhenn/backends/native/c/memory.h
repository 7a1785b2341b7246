/* Aligned memory, the same on all systems. */
#pragma once
#include <stddef.h>
#include <stdlib.h>

/* Memory whose contents do not matter, NULL where there is none. alignment: a power of two, 64 at least. */
static inline void* aligned_new(size_t bytes, size_t alignment) {
#if defined(_WIN32)
  return _aligned_malloc(bytes, alignment);
#else
  return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#endif
}

static inline void aligned_free(void* memory) {
#if defined(_WIN32)
  _aligned_free(memory);
#else
  free(memory);
#endif
}

/* What the library shows: all else is hidden (-fvisibility=hidden). */
#pragma once
#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

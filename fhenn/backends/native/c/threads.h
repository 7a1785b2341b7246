/* Threads inside a call: the same task for many indices, on the cores that the caller allows. */
#pragma once

typedef struct Pool Pool;

/* worker: from 0, less than the number of threads; no two tasks at a time have the same. */
typedef void (*Task)(void* argument, int index, int worker);

/* NULL where there is no memory, or the system starts no threads; then tasks run one after another. */
Pool* pool_new(int threads);
void pool_free(Pool* pool);

/* Threads that run tasks, the caller's included; 1 for NULL. */
int pool_threads(const Pool* pool);

/* Every index below count once; returns when all are done. Where the pool is busy with another call, and in a child of
   the process that made it, they run one after another on the caller's thread. */
void pool_run(Pool* pool, int count, Task task, void* argument);

#include "threads.h"

#include <stdatomic.h>
#include <stdlib.h>

static void run_alone(int count, Task task, void* argument) {
  for (int index = 0; index < count; index++) task(argument, index, 0);
}

#if defined(_WIN32)

Pool* pool_new(int threads) {
  (void)threads;
  return NULL;
}

void pool_free(Pool* pool) { (void)pool; }

int pool_threads(const Pool* pool) {
  (void)pool;
  return 1;
}

void pool_run(Pool* pool, int count, Task task, void* argument) {
  (void)pool;
  run_alone(count, task, argument);
}

#else

#include <pthread.h>
#include <unistd.h>

enum { SPINS = 4000 }; /* some ten microseconds, less than waking a thread takes; then it sleeps */

struct Pool {
  int helpers;
  pid_t owner;
  pthread_t* threads;
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
  atomic_flag busy;
  atomic_uint round; /* grows with every run; what comes below belongs to the newest */
  atomic_int next, working;
  int stopping, count;
  Task task;
  void* argument;
};

typedef struct Helper {
  Pool* pool;
  int worker;
} Helper;

static inline void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void take_tasks(Pool* pool, int worker) {
  for (int index; (index = atomic_fetch_add(&pool->next, 1)) < pool->count;) pool->task(pool->argument, index, worker);
}

/* Waits for a round that was not seen yet. */
static unsigned await_round(Pool* pool, unsigned seen) {
  for (int spin = 0; spin < SPINS && atomic_load(&pool->round) == seen; spin++) pause_briefly();
  if (atomic_load(&pool->round) == seen) {
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->round) == seen) pthread_cond_wait(&pool->wake, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
  }
  return atomic_load(&pool->round);
}

static void* help(void* argument) {
  Helper helper = *(Helper*)argument;
  free(argument);
  Pool* pool = helper.pool;
  for (unsigned seen = 0;;) {
    seen = await_round(pool, seen);
    if (pool->stopping) return NULL;
    take_tasks(pool, helper.worker);
    if (atomic_fetch_sub(&pool->working, 1) == 1) {
      pthread_mutex_lock(&pool->lock);
      pthread_cond_signal(&pool->done);
      pthread_mutex_unlock(&pool->lock);
    }
  }
}

Pool* pool_new(int threads) {
  if (threads < 2) return NULL;
  Pool* pool = calloc(1, sizeof *pool);
  if (!pool) return NULL;
  pool->threads = calloc((size_t)threads - 1, sizeof *pool->threads);
  if (!pool->threads) {
    free(pool);
    return NULL;
  }
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  atomic_flag_clear(&pool->busy);
  pool->owner = getpid();
  for (int worker = 1; worker < threads; worker++) {
    Helper* helper = malloc(sizeof *helper);
    if (!helper) break;
    *helper = (Helper){pool, worker};
    if (pthread_create(&pool->threads[pool->helpers], NULL, help, helper)) {
      free(helper); /* fewer threads than wanted are no fault */
      break;
    }
    pool->helpers++;
  }
  return pool;
}

static void begin_round(Pool* pool) {
  pthread_mutex_lock(&pool->lock);
  atomic_fetch_add(&pool->round, 1);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
}

void pool_free(Pool* pool) {
  if (!pool) return;
  if (pool->owner == getpid()) {
    pool->stopping = 1;
    begin_round(pool);
    for (int helper = 0; helper < pool->helpers; helper++) pthread_join(pool->threads[helper], NULL);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
  }
  free(pool->threads);
  free(pool);
}

int pool_threads(const Pool* pool) { return pool ? pool->helpers + 1 : 1; }

void pool_run(Pool* pool, int count, Task task, void* argument) {
  /* the helpers of a process do not live in its children */
  if (!pool || !pool->helpers || count < 2 || pool->owner != getpid() || atomic_flag_test_and_set(&pool->busy)) {
    run_alone(count, task, argument);
    return;
  }
  pool->task = task, pool->argument = argument, pool->count = count;
  atomic_store(&pool->next, 0);
  atomic_store(&pool->working, pool->helpers);
  begin_round(pool);
  take_tasks(pool, 0);
  for (int spin = 0; spin < SPINS && atomic_load(&pool->working); spin++) pause_briefly();
  if (atomic_load(&pool->working)) {
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->working)) pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
  }
  atomic_flag_clear(&pool->busy);
}

#endif

/* layer: base */
#include "base/loop.h"
#include "base/work.h"
#include "tests/lib/test.h"

#include <pthread.h>
#include <string.h>

struct work_job {
    pthread_t loop_thread;
    bool ran_elsewhere;
    int give;
    unsigned n_done;
    int rc;
    char text[64];
};

static int work_job_run(void *arg, struct err *err)
{
    struct work_job *job = arg;

    job->ran_elsewhere = !pthread_equal(pthread_self(), job->loop_thread);
    return job->give == 0 ? 0 : err_set(err, job->give, "the disk is on fire");
}

static void work_job_done(void *arg, int rc, const struct err *err)
{
    struct work_job *job = arg;

    CHECK(pthread_equal(pthread_self(), job->loop_thread));
    job->n_done++;
    job->rc = rc;
    strcpy(job->text, err->text);
}

TEST(work, runs_on_a_thread_and_answers_on_the_loop)
{
    struct work_job job = { .loop_thread = pthread_self() };
    uv_loop_t loop;

    uv_loop_init(&loop);
    work_submit(&loop, work_job_run, work_job_done, &job);
    CHECK_INT(job.n_done, 0);
    loop_finish(&loop);
    CHECK_INT(job.n_done, 1);
    CHECK_INT(job.rc, 0);
    CHECK(job.ran_elsewhere);
}

TEST(work, brings_the_workers_error_back)
{
    struct work_job job = { .loop_thread = pthread_self(), .give = ERR_NOSPACE };
    uv_loop_t loop;

    uv_loop_init(&loop);
    work_submit(&loop, work_job_run, work_job_done, &job);
    loop_finish(&loop);
    CHECK_INT(job.rc, ERR_NOSPACE);
    CHECK_STR(job.text, "the disk is on fire");
}

"""CronJobs make Jobs at their times.  A minute has to pass for that: one test watches all of them."""

import pytest

from labsite import name_of, wait_for

CRONJOB = """
apiVersion: batch/v1
kind: CronJob
metadata: {{name: {name}}}
spec:
  schedule: "{schedule}"
  {more}
  jobTemplate:
    spec:
      template:
        spec:
          terminationGracePeriodSeconds: 1
          restartPolicy: Never
          containers:
            - name: c
              image: busybox:1
              command: [sh, -c, "{command}"]
              resources: {{requests: {{cpu: 5m}}}}
---
"""

REFUSED = [
    ("61 * * * *", "suspend: false",
     'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'),
    ("TZ=UTC 0 * * * *", "suspend: false",
     'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead'),
    ("@hourly", "timeZone: Mars/Olympus",
     'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus'),
    ("@hourly", "concurrencyPolicy: Never",
     'spec.concurrencyPolicy: Unsupported value: "Never": supported values: "Allow", "Forbid", "Replace"'),
]


def cronjob(name, schedule, more="suspend: false", command="true"):
    return CRONJOB.format(name=name, schedule=schedule, more=more, command=command)


def jobs_of(site, namespace, name):
    return [j for j in site.items("-n", namespace, "jobs")
            if any(o["kind"] == "CronJob" and o["name"] == name for o in j["metadata"].get("ownerReferences", []))]


def events_of(site, namespace, name):
    return {(e["reason"], e["message"]) for e in site.items("-n", namespace, "events")
            if e["involvedObject"]["name"] == name}


def test_minutes_make_jobs(site, namespace):
    site.apply(cronjob("plain", "* * * * *") + cronjob("bad", "* * * * *", command="exit 3") +
               cronjob("hold", "* * * * *", "concurrencyPolicy: Forbid", "sleep 600") +
               cronjob("rest", "* * * * *", "suspend: true") +
               cronjob("tokyo", "* * * * *", "timeZone: Asia/Tokyo") +
               cronjob("swap", "@every 70s", "concurrencyPolicy: Replace", "sleep 600"), "-n", namespace)

    wait_for("the minute's jobs", 70, lambda: jobs_of(site, namespace, "plain"))
    job = jobs_of(site, namespace, "plain")[0]
    stamp = job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    assert stamp.endswith(":00Z")
    assert name_of(job).rsplit("-", 1)[1].isdigit()
    wait_for("success to be seen", 20,
             lambda: site.get("-n", namespace, "cronjob", "plain")["status"].get("lastSuccessfulTime"))
    assert site.get("-n", namespace, "cronjob", "plain")["status"]["lastScheduleTime"] == stamp
    assert {("SuccessfulCreate", f"Created job {name_of(job)}"),
            ("SawCompletedJob", f"Saw completed job: {name_of(job)}, condition: Complete")} \
        <= events_of(site, namespace, "plain")
    assert jobs_of(site, namespace, "tokyo")[0]["metadata"]["annotations"][
        "batch.kubernetes.io/cronjob-scheduled-timestamp"].endswith(":00+09:00")
    assert jobs_of(site, namespace, "rest") == []
    assert len(site.get("-n", namespace, "cronjob", "hold")["status"]["active"]) == 1


def test_by_hand(site, namespace):
    site.apply(cronjob("night", "0 3 * * *", "timeZone: Europe/Berlin"), "-n", namespace)
    row = site.kubectl("-n", namespace, "get", "cronjob", "night").splitlines()[1].split()
    assert row[:9] == ["night", "0", "3", "*", "*", "*", "Europe/Berlin", "False", "0"] and row[9] == "<none>"

    site.kubectl("-n", namespace, "create", "job", "now", "--from=cronjob/night")
    site.kubectl("-n", namespace, "wait", "--for=condition=Complete", "job/now", "--timeout=30s")
    assert len(jobs_of(site, namespace, "night")) == 1
    site.kubectl("-n", namespace, "set", "image", "cronjob/night", "c=busybox:1.0")
    assert "busybox:1.0" in site.kubectl("-n", namespace, "describe", "cronjob", "night")
    site.kubectl("-n", namespace, "delete", "cronjob", "night")
    wait_for("its jobs to go with it", 20, lambda: not site.items("-n", namespace, "jobs,pods"))


@pytest.mark.parametrize("schedule,more,message", REFUSED, ids=["range", "tz", "zone", "policy"])
def test_refused(site, schedule, more, message):
    refusal = site.apply(cronjob("no-way", schedule, more), check=False)
    assert refusal.returncode == 1 and message in refusal.stderr

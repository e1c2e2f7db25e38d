"""Shows what a set of Delta tables of some size costs one process and several: made, asked, and brought up to date by Sail in cluster mode.

Usage: scale.py FOLDER [--users N] [--logs N] [--days N] [--workers 1,2,4] [--threads 1,2] [--repeat N] [--steps make,ask,kill,merge]
       [--changed-users N] [--new-logs N] [--merge-workers N] [--kill-after SECONDS] [--publisher PATH]

Steps: `make` writes the set, `ask` asks it, `merge` brings a day of changes into it, with files rewritten by so many workers, or by our own process for
0. `kill`, before `merge`, kills driver, workers and the one that publishes that long after the first new file of the users was there.

PATH is the program that publishes, built from `publish.rs` beforehand; else cargo builds it with optimisation, which takes long.

Writes what it measured to FOLDER/result.json as well. Delete FOLDER afterwards.
"""

import argparse
import glob
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")

import warnings

warnings.simplefilter("ignore", FutureWarning)

import deltalake

import generate
import merge
import questions
from cluster import cluster


def main():
    said = arguments()
    made = generate.Set(said.folder, said.users, said.logs, said.days)
    results = os.path.join(said.folder, "result.json")
    result = json.load(open(results)) if os.path.exists(results) else {}
    steps = {"make": make, "ask": ask, "kill": kill, "merge": bring_up_to_date, "publish-users": publish_users}
    for step in said.steps.split(","):
        result[step] = steps[step](said, made)
        with open(results, "w") as file:
            json.dump(result, file, indent=1)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=os.path.abspath)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--logs", type=int, default=5_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--threads", default=f"1,{os.cpu_count()}")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--steps", default="make,ask,kill,merge")
    parser.add_argument("--changed-users", type=int)
    parser.add_argument("--new-logs", type=int)
    parser.add_argument("--merge-workers", type=int, default=2)
    parser.add_argument("--kill-after", type=float, default=1)
    parser.add_argument("--publisher", type=os.path.abspath)
    said = parser.parse_args()
    said.threads = [int(number) for number in said.threads.split(",")]
    said.workers = [int(number) for number in said.workers.split(",")]
    if said.publisher:
        merge.PROGRAM = (said.publisher,)
    return said


def own_cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def make(said, made):
    for table in generate.TABLES:
        shutil.rmtree(made.path(table), ignore_errors=True)
    began, cpu = time.monotonic(), own_cpu()
    generate.generate(made)
    result = {table: generate.files(made.path(table)) for table in generate.TABLES}
    result["seconds"], result["cpu_seconds"] = round(time.monotonic() - began, 1), round(own_cpu() - cpu, 1)
    print(result, flush=True)
    return result


def ask(said, made):
    asked = questions.questions(made)
    result = {"duckdb": {}, "sail": {}}
    answers = {}
    for threads in said.threads:
        connection = questions.one_process(threads)
        questions.open_by_duckdb(connection, made)
        times = result["duckdb"][f"{threads} threads"] = {}
        for name, question in asked.items():
            query = lambda question=question: connection.execute(question).to_arrow_table()
            seconds, cpu, answers[name] = questions.timed(query, own_cpu, said.repeat)
            times[name] = [round(seconds, 2), round(cpu, 2)]
            print(f"duckdb, {threads} threads: {name}: {seconds:.2f} s, {cpu:.2f} CPU s", flush=True)
        connection.close()
    for workers in said.workers:
        with cluster(workers, os.path.join(said.folder, f"cluster-{workers}")) as running:
            questions.open_by_sail(running.session, made)
            times = result["sail"][f"{workers} workers"] = {}
            for name, question in asked.items():
                query = lambda question=question: running.session.sql(question).toArrow()
                seconds, cpu, answer = questions.timed(query, running.cpu, said.repeat)
                times[name] = [round(seconds, 2), round(cpu, 2)]
                print(f"sail, {workers} workers: {name}: {seconds:.2f} s, {cpu:.2f} CPU s", flush=True)
                if answer != answers[name]:
                    raise SystemExit(f"sail answers {answer[:3]} where duckdb answers {answers[name][:3]}")
            times["memory of driver and workers, MB"] = running.peaks()
    return result


def day_of(said, made):
    changed = said.changed_users or made.users // 100
    events = said.new_logs or made.logs_in_day
    return merge.Day(made, changed, events, os.path.join(said.folder, "staged"))


def publish_users(said, made):
    """One publish of the users, to be killed."""
    with cluster(said.merge_workers, os.path.join(said.folder, "cluster-killed")) as running:
        return merge.publish(day_of(said, made), "users", running.address)


def kill(said, made):
    day_of(said, made).stage()
    connection = questions.one_process(os.cpu_count())
    table = made.path("users")
    version, held = deltalake.DeltaTable(table).version(), merge.holds(connection, made, "users")
    arguments = [argument for argument in sys.argv if not argument.startswith("--steps")]
    if "--steps" in sys.argv:
        del arguments[sys.argv.index("--steps")]
    # A process group of its own, that driver, workers and the one that publishes belong to.
    before = written_files(table)
    command = [sys.executable, *arguments, "--steps=publish-users"]
    victim = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while written_files(table) == before:
        if victim.poll() is not None:
            raise SystemExit("the publish that was to be killed came to an end")
        time.sleep(0.05)
    time.sleep(said.kill_after)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    if deltalake.DeltaTable(table).version() != version:
        raise SystemExit("the merge was committed before it was killed: take a smaller --kill-after")
    if merge.holds(connection, made, "users") != held:
        raise SystemExit("a merge that was killed changed what the table holds")
    left = len(written_files(table) - before)
    print(f"killed after {said.kill_after} s: version and rows as before, {left} files that no version names", flush=True)
    return {"after_seconds": said.kill_after, "files_left": left}


def written_files(table):
    """Files that a server has written for a merge of this table."""
    return set(glob.glob(os.path.join(table, "merged-*", "*", "*.parquet")))


def bring_up_to_date(said, made):
    day = day_of(said, made)
    day.stage()
    connection = questions.one_process(os.cpu_count())
    if not said.merge_workers:
        return merge.run(None, day, connection)
    with cluster(said.merge_workers, os.path.join(said.folder, "cluster-merge")) as running:
        result = merge.run(running, day, connection)
        result["workers"] = said.merge_workers
        result["memory of driver and workers, MB"] = running.peaks()
    print(result["memory of driver and workers, MB"], flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())

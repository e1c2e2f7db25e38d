"""Sail in cluster mode on one machine: a driver, and workers that are processes of their own.

Stands in for Kubernetes, which the driver asks for its workers (Sail 0.7.2 starts them in no other way that makes processes): a pod that is
asked for is started as a process, bound to one core as if that were its limit. Everything between driver and workers is Sail's own, over TCP.
"""

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

SAIL = os.path.join(os.path.dirname(sys.executable), "sail")
HERE = "127.0.0.1"
# Environment that pods get from their node; everything else is what the driver asks for.
INHERITED = ("PATH", "HOME", "TMPDIR", "LANG")
TICKS = os.sysconf("SC_CLK_TCK")


class Pods:
    """What was started, by the name of the pod."""

    def __init__(self, folder):
        self.folder = folder
        self.running = {}
        self.lock = threading.Lock()

    def start(self, pod):
        container = pod["spec"]["containers"][0]
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        for variable in container["env"]:
            # The only value that is not told is the pod's own address.
            environment[variable["name"]] = variable.get("value") or HERE
        name = pod["metadata"]["name"]
        with self.lock:
            core = len(self.running) % os.cpu_count()
            log = open(os.path.join(self.folder, f"{name}.log"), "wb")
            command = ["taskset", "-c", str(core), SAIL, *container["args"]]
            self.running[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def stop(self):
        with self.lock:
            stop(self.running.values())
            self.running.clear()

    def alive(self):
        with self.lock:
            return [process for process in self.running.values() if process.poll() is None]


def kubernetes(pods):
    """The two requests of the API of Kubernetes that a driver makes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            pod = json.loads(self.rfile.read(int(self.headers["content-length"])))
            pods.start(pod)
            self.answer(201, {**pod, "apiVersion": "v1", "kind": "Pod"})

        def do_DELETE(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.answer(200, {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success"})

        def answer(self, status, what):
            body = json.dumps(what).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Api(http.server.ThreadingHTTPServer):
        def handle_error(self, request, address):
            """A driver that goes away in the middle of a request is no news."""

    return Api((HERE, 0), Handler)


def stop(processes):
    processes = list(processes)
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Cluster:
    """A running cluster and a session with it."""

    def __init__(self, session, address, driver, pods):
        self.session = session
        self.address = address
        self.driver = driver
        self.pods = pods

    def workers(self):
        return [process.pid for process in self.pods.alive()]

    def cpu(self):
        """CPU seconds that driver and workers took so far."""
        return sum(cpu_of(pid) for pid in [self.driver.pid, *self.workers()])

    def peaks(self):
        """Peak of resident memory of the driver and of each worker, MB."""
        return [peak_of(pid) for pid in [self.driver.pid, *self.workers()]]


def cpu_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_of(pid):
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024)


def free_port():
    with socket.socket() as taken:
        taken.bind((HERE, 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def cluster(workers, folder):
    """A cluster of so many workers; their logs go into `folder`."""
    from pyspark.sql import SparkSession

    os.makedirs(folder, exist_ok=True)
    pods = Pods(folder)
    api = kubernetes(pods)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    config = os.path.join(folder, "kubeconfig.json")
    with open(config, "w") as file:
        json.dump(kubeconfig(api.server_address[1]), file)
    port = free_port()
    environment = {
        **os.environ,
        "KUBECONFIG": config,
        "SAIL_MODE": "kubernetes-cluster",
        "SAIL_CLUSTER__WORKER_INITIAL_COUNT": str(workers),
        "SAIL_CLUSTER__WORKER_MAX_COUNT": str(workers),
        "SAIL_CLUSTER__WORKER_MAX_IDLE_TIME_SECS": "3600",
        "SAIL_CLUSTER__WORKER_TASK_SLOTS": "8",
        # Parts of a plan: what decides how many workers can have a share in it.
        "SAIL_EXECUTION__DEFAULT_PARALLELISM": str(max(2, workers)),
    }
    log = open(os.path.join(folder, "driver.log"), "wb")
    driver = subprocess.Popen(
        [SAIL, "spark", "server", "--port", str(port)], env=environment, stdout=log, stderr=log
    )
    try:
        wait_for(port, driver)
        address = f"sc://{HERE}:{port}"
        session = SparkSession.builder.remote(address).create()
        session.conf.set("spark.sql.session.timeZone", "UTC")
        session.sql("select count(*) from range(1000)").collect()
        running = Cluster(session, address, driver, pods)
        for _ in range(300):
            if len(running.workers()) >= workers:
                break
            time.sleep(0.1)
        if len(running.workers()) != workers:
            raise SystemExit(f"{len(running.workers())} worker processes run where {workers} were to")
        try:
            yield running
        finally:
            # Before the driver is gone: its client would ask it again and again for minutes.
            session.stop()
    finally:
        stop([driver])
        pods.stop()
        api.shutdown()


def wait_for(port, driver):
    for _ in range(300):
        if driver.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection((HERE, port), 1):
            return
        time.sleep(0.1)
    raise SystemExit("the driver does not answer")


def kubeconfig(port):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": f"http://{HERE}:{port}"}}],
        "users": [{"name": "me", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "current-context": "here",
    }

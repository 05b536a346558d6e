"""What the cluster benchmark creates."""

HANDLER_IMAGE = "localhost/bench-handler:1"
# Prints when it started, as the job's result.
COMMAND = ["/bin/date", '+"%s.%N"']
POD_SECURITY = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
PAYLOAD = "x" * 200


def container(**more):
    return {"name": "handler", "image": HANDLER_IMAGE, "imagePullPolicy": "IfNotPresent", "securityContext": SECURITY,
            "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}}, **more}


def queue(namespace, name, concurrency=1, **scaling):
    pod = {"spec": {"terminationGracePeriodSeconds": 20, "automountServiceAccountToken": False,
                    "securityContext": POD_SECURITY, "containers": [container()]}}
    return {"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue", "metadata": {"name": name, "namespace": namespace},
            "spec": {"worker": {"handler": {"exec": {"command": COMMAND}}, "concurrency": concurrency, "template": pod},
                     "scaling": {"backlogPerWorker": 10, **scaling}}}


def waiting_queue(namespace, name):
    """Nobody works on it."""
    return {"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue", "metadata": {"name": name, "namespace": namespace},
            "spec": {}}


def job(namespace, name, queue_name):
    return {"apiVersion": "sluice.dev/v1alpha1", "kind": "Job", "metadata": {"name": name, "namespace": namespace},
            "spec": {"queue": queue_name, "payload": PAYLOAD}}


def schedule(namespace, name, queue_name):
    return {"apiVersion": "sluice.dev/v1alpha1", "kind": "Schedule", "metadata": {"name": name, "namespace": namespace},
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"queue": queue_name, "payload": PAYLOAD}}}}


def batch_job(namespace, name):
    pod = {"spec": {"restartPolicy": "Never", "securityContext": POD_SECURITY, "automountServiceAccountToken": False,
                    "containers": [container(command=COMMAND)]}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": namespace},
            "spec": {"template": pod}}


def foreign_pod(namespace, name):
    """Never scheduled: it costs the API server and whoever watches pods, and nobody else."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
            "spec": {"schedulingGates": [{"name": "sluice.dev/bench"}], "securityContext": POD_SECURITY,
                     "automountServiceAccountToken": False, "containers": [container()]}}

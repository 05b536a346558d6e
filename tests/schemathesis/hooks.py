"""What schemathesis cannot know: one queue is there, and nobody wants to wait a minute for each answer."""
import schemathesis


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for name, value in (("namespace", "shop"), ("queue", "orders")):
        if path_parameters and name in path_parameters:
            path_parameters[name] = value
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    return without_wait(query)


@schemathesis.hook
def map_body(context, body):
    stay_inside(body)
    return without_wait(body)


def stay_inside(value):
    """Callbacks go to this machine, which the broker refuses: nothing looks up, or reaches, a host out there."""
    if isinstance(value, dict):
        callback = value.get("callback")
        if isinstance(callback, dict) and isinstance(callback.get("url"), str):
            callback["url"] = "http://127.0.0.1:9/"
        for member in value.values():
            stay_inside(member)
    elif isinstance(value, list):
        for item in value:
            stay_inside(item)


def without_wait(values):
    # Only a wait that is allowed: others are there to be refused.
    if isinstance(values, dict) and values.get("waitSeconds") in range(61):
        values["waitSeconds"] = 0
    return values

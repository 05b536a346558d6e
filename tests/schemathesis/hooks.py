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
    return without_wait(body)


def without_wait(values):
    # Only a wait that is allowed: others are there to be refused.
    if isinstance(values, dict) and values.get("waitSeconds") in range(61):
        values["waitSeconds"] = 0
    return values

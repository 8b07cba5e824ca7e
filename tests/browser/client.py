"""What kinto-http makes of the answers to a token, as JSON: client.py SERVER GOOD_TOKEN [TOKEN]"""

import json
import sys

from kinto_http import BearerTokenAuth, Client, KintoException

server, good, *others = sys.argv[1:]
AUTH = BearerTokenAuth(others[0]) if others else None


def new_client(auth=AUTH):
    return Client(server_url=server, auth=auth, bucket="shelf")


def batch(client, **kwargs):
    with client.batch() as batch:
        batch.create_bucket(safe=False)
        # Its own get_bucket() does not work in a batch.
        batch.session.request("get", "/buckets/shelf", **kwargs)
    assert len(batch.results()) == 2


def batch_of_a_session_that_began_well():
    client = new_client(BearerTokenAuth(good))
    batch(client)
    client.session.auth = AUTH
    batch(client)


def batch_of_one_with_a_token_of_its_own():
    headers = {"Authorization": f"Bearer {others[0]}"} if others else {}
    batch(new_client(BearerTokenAuth(good)), headers=headers)


def raised(error):
    said = {"raises": type(error).__name__}
    if hasattr(error, "exceptions"):
        return {**said, "each": [raised(each) for each in error.exceptions]}
    response = error.response
    body = response["body"] if isinstance(response, dict) else response.json()
    return {**said, "status": response.status_code, "body": body}


def outcome(operation):
    try:
        operation()
        return "works"
    except KintoException as error:
        return raised(error)


OPERATIONS = {
    "server_info": lambda: new_client().server_info(),
    "create_bucket": lambda: new_client().create_bucket(safe=False),
    "get_bucket": lambda: new_client().get_bucket(),
    "batch": lambda: batch(new_client()),
    "batch, later in a session": batch_of_a_session_that_began_well,
    "batch, one with its own": batch_of_one_with_a_token_of_its_own,
}
print(json.dumps({name: outcome(operation) for name, operation in OPERATIONS.items()}))

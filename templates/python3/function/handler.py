def handle(req):
    """
    req: the request's body, as bytes
    Return text, bytes, or anything that json.dumps() takes.
    """
    return b"Hello! You said: " + req

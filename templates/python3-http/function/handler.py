def handle(event, context):
    """
    event: method, path, query, headers, body (bytes), json()
    context: hostname, call_id
    Return text, bytes, anything that json.dumps() takes, or a dict with statusCode, body and headers.
    """
    name = event.query.get("name", "world")
    return {"statusCode": 200, "body": f"Hello, {name}!\n"}

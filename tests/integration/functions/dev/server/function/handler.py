def answer(target, body):
    return body

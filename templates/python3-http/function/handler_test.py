import unittest
from types import SimpleNamespace

from .handler import handle


class HandlerTest(unittest.TestCase):
    def test_greets_who_is_named(self):
        event = SimpleNamespace(query={"name": "moon"})
        self.assertEqual(handle(event, None), {"statusCode": 200, "body": "Hello, moon!\n"})

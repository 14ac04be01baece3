import unittest

from .handler import handle


class HandlerTest(unittest.TestCase):
    def test_repeats_what_was_said(self):
        self.assertEqual(handle(b"good morning"), b"Hello! You said: good morning")

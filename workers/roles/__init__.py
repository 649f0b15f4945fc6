"""The process of each role: tag, deliver, reconcile."""

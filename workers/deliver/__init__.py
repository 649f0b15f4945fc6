"""Write-back: `transport` is one HTTP exchange, `attempt` one attempt and its outcome, `loop` the process."""

from workers.deliver.loop import run

__all__ = ["run"]

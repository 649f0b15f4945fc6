"""What a user meets: the command line as a subprocess, the API over a socket, real processes behind them."""

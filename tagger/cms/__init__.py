"""One folder per CMS, chosen in `registry`: read its library, parse its hook, render its write-back. Pure functions."""

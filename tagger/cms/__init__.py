"""One file per CMS: parse its hook, render its write-back. Pure functions over plain data."""

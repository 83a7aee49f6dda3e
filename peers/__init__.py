"""The same network in other libraries: an optional extra, one file each. Never imports ``scratch`` or ``bench``."""

"""What makes a site of the pages: an extension of Sphinx. ``make docs`` builds it."""

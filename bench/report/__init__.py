"""What every view uses: the style of figures, tables, number formats, pages."""

"""The configuration of Sphinx for ``make docs``; the folder of the sources is the root of the repository."""

project = "backprop-bench"
language = "en"
smartquotes = False
extensions = ["myst_parser", "docs.site.extension"]

root_doc = "README"
source_suffix = {".md": "markdown", ".ipynb": "markdown"}
include_patterns = [
    "*.md",
    "data/mnist/README.md",
    "docs/*.ipynb",
    "docs/*.md",
    "docs/zh/*.md",
    "results/README.md",
    "results/reference/report.md",
]
exclude_patterns = [".*", "build", "node_modules", "site", "src", "tests"]

# The pages are read on GitHub too, so only what GitHub knows has a meaning.
myst_enable_extensions = ["dollarmath"]
myst_disable_syntax = ["myst_block_break", "myst_line_comment", "myst_role", "myst_target"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 4
myst_url_schemes = ["http", "https", "site"]
highlight_language = "none"
pygments_dark_style = "a11y-dark"

templates_path = ["templates"]
html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {"top_of_page_buttons": ["view"]}  # its template is ours: the switch of the language
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_math_renderer = "mathml"
html_use_index = False
html_copy_source = False
html_show_copyright = False

"""How Sphinx makes the site: guides and notebooks from this folder, the reference from docstrings. CONTRIBUTING.md has
the command.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _sphinx.public import MOCKED

import fhenn

project = "fhenn"
author = "the authors of fhenn"
version = release = fhenn.__version__
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx_design",
    "myst_nb",
    "_sphinx.reference",
    "_sphinx.commands",
    "_sphinx.mathml",
    "_sphinx.pages",
]
exclude_patterns = ["_*", "images", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
nitpicky = True
smartquotes = False  # options begin with two hyphens

# the guides are read on code hosts too: links to files, formulas between dollars
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # their outputs are saved in them
# "python" of a session is shown as one, and code that is cut by … as it stands
suppress_warnings = ["misc.highlighting_failure"]

autodoc_mock_imports = MOCKED
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_typehints = "signature"
maximum_signature_line_length = 80
python_display_short_literal_types = True
add_module_names = False
toc_object_entries_show_parents = "hide"

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "fhenn"
html_favicon = "_static/sigmoid.svg"
# versions.py builds several side by side, and each page chooses among them
html_context = {"default_mode": "auto", "versions": tags.has("versions")}  # noqa: F821  (Sphinx puts it there)
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_sidebars = {
    "index": [],
    "start": [],
    "benchmarks": [],
    "security": [],
    "glossary": [],
    "changelog": [],
    "contributing": [],
}
html_theme_options = {
    "logo": {"text": "fhenn", "image_light": "_static/sigmoid.svg", "image_dark": "_static/sigmoid.svg"},
    "navbar_start": ["navbar-logo", "version"],
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 7,
    "show_toc_level": 2,
    "show_prev_next": True,
    "footer_start": ["release"],
    "footer_end": [],
}

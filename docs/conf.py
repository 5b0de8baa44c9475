"""How Sphinx builds the documentation: offline, with warnings as errors."""

import sys
from importlib.metadata import version as _version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "euclidium"
author = "The euclidium developers"
copyright = author
version = release = _version("euclidium")

extensions = ["myst_parser", "sphinx.ext.autodoc", "mathml", "plain_docstrings"]
exclude_patterns = ["_build"]
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"euclidium {release}"
html_static_path = ["_static"] if (Path(__file__).parent / "_static").exists() else []
html_math_renderer = "mathml"
html_copy_source = False

autodoc_default_options = {
    "members": True,
    "imported-members": True,
    "exclude-members": "model_config, model_post_init, training",
}
autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False

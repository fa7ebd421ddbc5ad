"""Cameras that are sold under another name in another part of the world; the first name is the one we use.

Canon numbers its cameras in Europe, calls them Rebel in the Americas and Kiss in Japan; Panasonic gives numbers of
their own to Germany, North America and Asia. Which belong together is known from what the cameras write into their
pictures: the tables of models in ExifTool (Canon) and in LibRaw (Panasonic).
"""

from __future__ import annotations

_NAMES = {
    "Canon": """
        EOS 100D = EOS Rebel SL1 = EOS Kiss X7
        EOS 200D = EOS Rebel SL2 = EOS Kiss X9
        EOS 250D = EOS Rebel SL3 = EOS Kiss X10 = EOS 200D II
        EOS 300D = EOS Digital Rebel = EOS Kiss Digital
        EOS 350D = EOS Digital Rebel XT = EOS Kiss Digital N
        EOS 400D = EOS Digital Rebel XTi = EOS Kiss Digital X
        EOS 450D = EOS Digital Rebel XSi = EOS Kiss X2 = EOS Kiss Digital X2
        EOS 500D = EOS Rebel T1i = EOS Kiss X3
        EOS 550D = EOS Rebel T2i = EOS Kiss X4
        EOS 600D = EOS Rebel T3i = EOS Kiss X5
        EOS 650D = EOS Rebel T4i = EOS Kiss X6i
        EOS 700D = EOS Rebel T5i = EOS Kiss X7i
        EOS 750D = EOS Rebel T6i = EOS Kiss X8i
        EOS 760D = EOS Rebel T6s = EOS 8000D
        EOS 77D = EOS 9000D
        EOS 800D = EOS Rebel T7i = EOS Kiss X9i
        EOS 850D = EOS Rebel T8i = EOS Kiss X10i
        EOS 1000D = EOS Digital Rebel XS = EOS Rebel XS = EOS Kiss F = EOS Kiss Digital F
        EOS 1100D = EOS Rebel T3 = EOS Kiss X50
        EOS 1200D = EOS Rebel T5 = EOS Kiss X70
        EOS 1300D = EOS Rebel T6 = EOS Kiss X80
        EOS 2000D = EOS Rebel T7 = EOS Kiss X90 = EOS 1500D
        EOS 4000D = EOS Rebel T100 = EOS 3000D
        EOS M50 = EOS Kiss M
        EOS M50 Mark II = EOS Kiss M2
    """,
    "Konica Minolta": """
        Dynax 5D = Maxxum 5D
        Dynax 7D = Maxxum 7D
    """,
    "Panasonic": """
        DMC-FZ300 = DMC-FZ330
        DMC-FZ2000 = DMC-FZ2500 = DMC-FZH1
        DMC-FZ35 = DMC-FZ38
        DMC-FZ40 = DMC-FZ42 = DMC-FZ45
        DC-FZ10002 = DC-FZ1000M2
        DMC-G7 = DMC-G70
        DMC-G80 = DMC-G81 = DMC-G85
        DC-G90 = DC-G91 = DC-G95 = DC-G99
        DC-G100 = DC-G110
        DMC-GX80 = DMC-GX85 = DMC-GX7MK2
        DC-GX9 = DC-GX7MK3
        DC-GX800 = DC-GX850 = DC-GF9
        DC-GX880 = DC-GF10 = DC-GF90
        DMC-LX10 = DMC-LX15 = DMC-LX9
        DMC-TZ60 = DMC-TZ61 = DMC-ZS40
        DMC-TZ70 = DMC-TZ71 = DMC-ZS50
        DMC-TZ80 = DMC-TZ81 = DMC-ZS60
        DMC-TZ90 = DMC-TZ91 = DMC-ZS70
        DMC-TZ100 = DMC-TZ101 = DMC-TZ110 = DMC-ZS100 = DMC-ZS110 = DMC-TX1
        DC-TZ200 = DC-TZ202 = DC-TZ220 = DC-ZS200 = DC-ZS220 = DC-TX2
    """,
    "Pentax": """
        K-m = K2000
    """,
}
_GROUPS = {
    (brand, name.casefold()): names
    for brand, lines in _NAMES.items()
    for names in ([name.strip() for name in line.split("=")] for line in lines.strip().splitlines())
    for name in names
}


def models(brand: str, model: str) -> tuple[str, ...]:
    """Every name that a model of this brand is sold under, the one we use first; itself alone when it has no other."""
    return tuple(_GROUPS.get((brand, model.casefold()), [model]))

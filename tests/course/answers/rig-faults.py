# %% right: the plain ones
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% right: computed
from mgpu_lab import HARDWARE
from mgpu_lab.checks.lesson_09_rig import RIG

load = 3 * HARDWARE["RTX-4090"].watts + RIG["rest_watts"]
faults = {
    "lanes": min(HARDWARE.boards[RIG["board"]].lanes[3]),
    "supply_short_watts": load - HARDWARE.supplies[RIG["supply"]].watts,
    "outlet_over_watts": load / 0.9 - HARDWARE.outlets[RIG["outlet"]].watts,
    "mended": dict(board="ASUS Pro WS WRX90E-SAGE SE", supply=["ATX3-1000", "ATX3-1000"], outlet="US 240 V 20 A"),
}

# %% right: two supplies
faults = dict(
    lanes=1,
    supply_short_watts=450.0,
    outlet_over_watts=393,
    mended={"board": "ASRock Rack ROMED8-2T", "supply": ["ATX3-1200", "ATX3-1200"], "outlet": "EU 230 V 16 A"},
)

# %% right: a tuple of supplies
faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=394,
    mended={"board": "ASRock Rack ROMED8-2T", "supply": ("ATX3-1600", "ATX3-1000"), "outlet": "US 240 V 30 A"},
)

# %% right: an outlet of 1,920 watts
faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=393.33,
    mended={"board": "ASRock Rack ROMED8-2T", "supply": ["ATX3-1000", "ATX3-1000"], "outlet": "US 120 V 20 A"},
)

# %% right: outlets in a list, one for each supply
faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=393.33,
    mended=dict(
        board="ASUS Pro WS WRX90E-SAGE SE",
        supply=["ATX3-1000", "ATX3-1600"],
        outlet=["EU 230 V 16 A", "EU 230 V 16 A"],
    ),
)

# %% right: a server's supply
faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=393.33,
    mended=dict(board="ASRock Rack ROMED8-2T", supply="server-2x2000", outlet="EU 230 V 16 A"),
)

# %% right: the whole rig, changed
from mgpu_lab.checks.lesson_09_rig import RIG

faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=393.33,
    mended=RIG | dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
)

# %% right: rows of the table
from mgpu_lab import HARDWARE

faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=393.33,
    mended=dict(
        board=HARDWARE.boards["ASRock Rack ROMED8-2T"],
        supply=HARDWARE.supplies["SilverStone HELA 2050R"],
        outlet=HARDWARE.outlets["EU 230 V 16 A"],
    ),
)

# %% right: fractions
from fractions import Fraction

faults = dict(
    lanes=Fraction(1),
    supply_short_watts=Fraction(450),
    outlet_over_watts=Fraction(1650 * 10, 9) - 1440,
    mended=dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="UK 230 V 13 A"),
)

# %% right: decimals
from decimal import Decimal

faults = dict(
    lanes=Decimal(1),
    supply_short_watts=Decimal("450.0"),
    outlet_over_watts=Decimal(1650) / Decimal("0.9") - 1440,
    mended=dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="UK 230 V 13 A"),
)

# %% right: numpy
import numpy as np

faults = dict(
    lanes=np.min(np.array([16, 4, 1])),
    supply_short_watts=np.int64(450),
    outlet_over_watts=np.float32(1650 / 0.9 - 1440),
    mended=dict(
        board="ASRock Rack ROMED8-2T", supply=np.array(["ATX3-1000", "ATX3-1000"]).tolist(), outlet="UK 230 V 13 A"
    ),
)

# %% right: torch
import torch

faults = dict(
    lanes=torch.tensor([16, 4, 1]).min(),
    supply_short_watts=torch.tensor(450),
    outlet_over_watts=torch.tensor(1650 / 0.9 - 1440),
    mended=dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
)

# %% right: rounded to ten watts
faults = dict(
    lanes=1.0,
    supply_short_watts=450,
    outlet_over_watts=390,
    mended=dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
)

# %% right: three supplies
faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=393,
    mended=dict(board="ASRock Rack ROMED8-2T", supply=["ATX3-850"] * 3, outlet="EU 230 V 16 A"),
)

# %% right: a list of one supply
faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=393,
    mended=dict(board="ASRock Rack ROMED8-2T", supply=["SilverStone HELA 2050R"], outlet=["US 240 V 20 A"]),
)

# %% right: searched
from itertools import product

from mgpu_lab import HARDWARE, check_rig
from mgpu_lab.checks.lesson_09_rig import RIG

mended = None
for board, supply, outlet in product(HARDWARE.boards, HARDWARE.supplies, HARDWARE.outlets):
    lanes = HARDWARE.boards[board].lanes.get(3)
    if lanes and min(lanes) >= 8 and check_rig(**RIG | dict(board=board, supply=supply, outlet=outlet)).ok:
        mended = dict(board=board, supply=supply, outlet=outlet)
faults = dict(lanes=1, supply_short_watts=450, outlet_over_watts=393.3, mended=mended)

# %% right: ordered
from collections import OrderedDict

faults = OrderedDict(
    mended=OrderedDict(outlet="EU 230 V 16 A", supply="SilverStone HELA 2050R", board="ASRock Rack ROMED8-2T"),
    outlet_over_watts=393.3,
    supply_short_watts=450,
    lanes=1,
)

# %% right: a view
from types import MappingProxyType as View

faults = View(
    dict(
        lanes=1,
        supply_short_watts=450,
        outlet_over_watts=393.3,
        mended=View(dict(outlet="EU 230 V 16 A", supply="SilverStone HELA 2050R", board="ASRock Rack ROMED8-2T")),
    )
)

# %% right: cards named again
faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=393.3,
    mended=dict(cards="3x RTX-4090", board="ASRock Rack ROMED8-2T", supply="server-4x3000", outlet="EU 230 V 16 A"),
)

# %% right: rounded up
import math

faults = dict(
    lanes=1,
    supply_short_watts=math.ceil(450.0),
    outlet_over_watts=math.ceil(1650 / 0.9) - 1440,
    mended=dict(board="ASUS Pro WS WRX90E-SAGE SE", supply="server-2x2000", outlet="US 240 V 20 A"),
)

# %% right: filled in later
faults = {"lanes": ..., "supply_short_watts": ..., "outlet_over_watts": ..., "mended": ...}
faults["lanes"] = 1
faults["supply_short_watts"] = 3 * 450 + 300 - 1200
faults["outlet_over_watts"] = (3 * 450 + 300) / 0.9 - 1440
faults["mended"] = {
    "board": "ASUS Pro WS WRX90E-SAGE SE",
    "supply": "SilverStone HELA 2050R",
    "outlet": "US 240 V 30 A",
}

# %% right: a larger first supply
faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=393.3,
    mended=dict(board="ASRock Rack ROMED8-2T", supply=["ATX3-1600", "ATX3-850"], outlet="EU 230 V 16 A"),
)

# %% right: table rows mixed with names
from mgpu_lab import HARDWARE

faults = dict(
    lanes=1,
    supply_short_watts=450,
    outlet_over_watts=393.3,
    mended=dict(
        board="ASRock Rack ROMED8-2T",
        supply=[HARDWARE.supplies["ATX3-1000"], "ATX3-1200"],
        outlet=HARDWARE.outlets["EU 230 V 16 A"],
    ),
)

# %% right: a default dictionary
from collections import defaultdict

faults = defaultdict(dict)
faults["lanes"] = 1
faults["supply_short_watts"] = 450
faults["outlet_over_watts"] = 393.3
faults["mended"]["board"] = "ASRock Rack ROMED8-2T"
faults["mended"]["supply"] = "SilverStone HELA 2050R"
faults["mended"]["outlet"] = "EU 230 V 16 A"

# %% wrong: untouched -> Not attempted yet
faults = {"lanes": ..., "supply_short_watts": ..., "outlet_over_watts": ..., "mended": ...}

# %% wrong: not mended -> Still open: mended
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": ...}

# %% wrong: mended is None -> Still open: mended
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": None}

# %% wrong: mended left out -> Still open: mended
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3}

# %% wrong: empty -> Not attempted yet
faults = {}

# %% wrong: a list -> Answer with a dictionary that has
faults = [1, 450, 393.3]

# %% wrong: lanes of the second slot -> That slot is not the narrowest: with three cards there is a third
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 4, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: lanes of the first slot -> That is the widest slot. A ring waits for the narrowest
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 16, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: all lanes -> answer with a number
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": (16, 4, 1), "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: lanes as written -> answer with a number
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": "x1", "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: a true lane -> answer with a number
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": True, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: lanes of the CPU -> lanes: look at the row of the board for 3 cards
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 24, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: the rest forgotten -> supply_short_watts: the rest of the machine draws, too
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 150, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: the load itself -> supply_short_watts: that is the load. How much of it does the supply not give?
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 1650, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: a negative number -> supply_short_watts: the other way round; short is a positive number
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": -450, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: one card -> supply_short_watts: the other way round; short is a positive number
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450 + 300 - 1200, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: the supply loses some of its rating -> supply_short_watts: a supply is rated by what it delivers; nothing is taken off
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 1650 - 0.9 * 1200, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: at the wall -> supply_short_watts: a supply is rated by what it delivers, not by what it draws
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 1650 / 0.9 - 1200, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: four cards -> supply_short_watts: cards times watts, plus the rest, less what the supply is rated for
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 900, "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: kilowatts -> supply_short_watts: in watts, not in kilowatts
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 0.45, "outlet_over_watts": 0.3933, "mended": GOOD}

# %% wrong: a text with a unit -> answer with a number
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": "450 W", "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: the efficiency forgotten -> outlet_over_watts: the supply itself turns a tenth of what it draws into heat
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 210, "mended": GOOD}

# %% wrong: the efficiency the other way -> outlet_over_watts: the wall gives more than what arrives, not less
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 1650 * 0.9 - 1440, "mended": GOOD}

# %% wrong: ten percent added -> outlet_over_watts: 90% of what is drawn arrives: divide
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 1650 * 1.1 - 1440, "mended": GOOD}

# %% wrong: all that the breaker stands -> outlet_over_watts: for hours only 80% of the circuit's rating may be drawn
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 1650 / 0.9 - 1800, "mended": GOOD}

# %% wrong: the supply's rating at the wall -> outlet_over_watts: the load, not the supply's rating, decides what is drawn
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 1200 / 0.9 - 1440, "mended": GOOD}

# %% wrong: all of the draw -> outlet_over_watts: that is what is drawn. By how much is it too much?
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 1833.3, "mended": GOOD}

# %% wrong: not a number -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": float("nan"), "mended": GOOD}

# %% wrong: infinite -> supply_short_watts: cards times watts, plus the rest, less what the supply is rated for
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": float("inf"), "outlet_over_watts": 393.3, "mended": GOOD}

# %% wrong: off by two percent -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
GOOD = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 402, "mended": GOOD}

# %% wrong: only the board mended -> it switches off
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T"),
}

# %% wrong: the name of the board -> mended: a dictionary with board, supply, outlet
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": "ASRock Rack ROMED8-2T"}

# %% wrong: three names -> mended: a dictionary with board, supply, outlet
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": ("ASRock Rack ROMED8-2T", "SilverStone HELA 2050R", "EU 230 V 16 A"),
}

# %% wrong: the same board -> with three cards the narrowest slot is x1
mended = dict(board="Gigabyte Z890 AORUS Master", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: a board for two cards -> does not say how many lanes
mended = dict(board="ASUS ProArt X870E-Creator WiFi", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: a board whose three slots nobody described -> does not say how many lanes
mended = dict(board="ASRock Rack 4U8G-TURIN2", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: a board for SXM modules -> does not say how many lanes
mended = dict(board="Dell PowerEdge XE9680 (HGX H100)", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: 1,600 watts -> it switches off
mended = dict(board="ASRock Rack ROMED8-2T", supply="ATX3-1600", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: the small one feeds the board -> it switches off
mended = dict(board="ASRock Rack ROMED8-2T", supply=["ATX3-850", "ATX3-850"], outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: the same outlet -> more than the circuit may carry for hours
mended = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="US 120 V 15 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: an unknown board -> There is no board
mended = dict(board="ASUS WRX90", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: an unknown supply -> There is no supply
mended = dict(board="ASRock Rack ROMED8-2T", supply="ATX3-2000", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: an unknown outlet -> There is no outlet
mended = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 400 V 32 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: fewer cards -> must stay as before
mended = dict(cards="1x RTX-4090", board="ASRock Rack ROMED8-2T", supply="ATX3-1200", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: less rest -> must stay as before
mended = dict(board="ASRock Rack ROMED8-2T", supply="ATX3-1600", outlet="EU 230 V 16 A", rest_watts=0)
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: another case -> must stay as before
mended = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A", case="server")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: a supply made up -> must be a row of the table
from mgpu_lab import HARDWARE
from dataclasses import replace

mended = dict(
    board="ASRock Rack ROMED8-2T", supply=replace(HARDWARE.supplies["ATX3-1600"], watts=1700), outlet="EU 230 V 16 A"
)
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: a board made up -> must be a row of the table
from mgpu_lab import HARDWARE
from dataclasses import replace

board = replace(HARDWARE.boards["Gigabyte Z890 AORUS Master"], lanes={3: (16, 8, 8)}, chipset_lanes=0)
mended = dict(board=board, supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: an outlet made up -> must be a row of the table
from mgpu_lab import HARDWARE
from dataclasses import replace

outlet = replace(HARDWARE.outlets["US 120 V 15 A"], amperes=30)
mended = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet=outlet)
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: an outlet of None -> name the outlet, too
mended = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet=None)
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: a board of None -> name the board, too
mended = dict(board=None, supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: no supplies -> name one supply of the table
mended = dict(board="ASRock Rack ROMED8-2T", supply=[], outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: the report -> mended: a dictionary with board, supply, outlet
from mgpu_lab import check_rig
from mgpu_lab.checks.lesson_09_rig import RIG

mended = check_rig(**RIG | dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"))
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: a key of another name -> mended: a dictionary with board, supply, outlet
mended = dict(mainboard="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% wrong: mended is fine, numbers are open -> Still open: lanes, supply_short_watts, outlet_over_watts
mended = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lanes": ..., "supply_short_watts": ..., "outlet_over_watts": ..., "mended": mended}

# %% wrong: keys of other names -> Answer with a dictionary that has
mended = dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")
faults = {"lane": 1, "supply_watts": 450, "outlet_watts": 393.3, "mended": mended}

# %% wrong: the rig as given -> with three cards the narrowest slot is x1
from mgpu_lab.checks.lesson_09_rig import RIG

faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": RIG}

# %% wrong: a job smuggled in -> mended: a dictionary with board, supply, outlet
mended = dict(
    board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A", model="llama-3.1-8b"
)
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

# %% right: names in lower case
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="asrock rack romed8-2t", supply="silverstone hela 2050r", outlet="eu 230 v 16 a"),
}

# %% right: the widest board by search
from mgpu_lab import HARDWARE

board = next(b for b in HARDWARE.boards.values() if min(b.lanes.get(3, (0,))) >= 8)
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board=board.name, supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% right: two circuits
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(
        board="ASRock Rack ROMED8-2T", supply=["ATX3-1000", "ATX3-1000"], outlet=["US 120 V 20 A", "US 120 V 20 A"]
    ),
}

# %% right: two circuits of different kinds
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(
        board="ASRock Rack ROMED8-2T", supply=("ATX3-1200", "ATX3-1000"), outlet=("US 120 V 20 A", "US 240 V 20 A")
    ),
}

# %% right: four supplies
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply=["ATX3-1000"] * 4, outlet="US 240 V 30 A"),
}

# %% right: a number from a comparison of tensors
import torch

slots = torch.tensor([16.0, 4.0, 1.0])
faults = {
    "lanes": slots.min().item(),
    "supply_short_watts": float(torch.tensor(1650 - 1200)),
    "outlet_over_watts": torch.tensor([393.3]),
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% right: to three digits
faults = {
    "lanes": 1,
    "supply_short_watts": 450.0,
    "outlet_over_watts": 393,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% right: a little rounded
faults = {
    "lanes": 1,
    "supply_short_watts": 449,
    "outlet_over_watts": 396,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% right: bits of a sum
faults = {
    "lanes": 16 // 16,
    "supply_short_watts": sum([450] * 3, 300) - 1200,
    "outlet_over_watts": (450 * 3 + 300) * 10 / 9 - 0.8 * 120 * 15,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% right: only what changed, board as a row
from mgpu_lab import HARDWARE

faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board=HARDWARE.boards["ASUS Pro WS WRX90E-SAGE SE"], supply="server-4x3000", outlet="US 240 V 30 A"),
}

# %% right: rest_watts as a float, the same
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(
        board="ASRock Rack ROMED8-2T",
        supply="SilverStone HELA 2050R",
        outlet="EU 230 V 16 A",
        rest_watts=300.0,
        case="open",
    ),
}

# %% right: from text
import json

faults = json.loads(
    '{"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": {"board": "ASRock Rack ROMED8-2T", "supply": ["ATX3-1000", "ATX3-1000"], "outlet": "EU 230 V 16 A"}}'
)

# %% wrong: a half lane -> lanes: look at the row of the board for 3 cards
faults = {
    "lanes": 0.5,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: no lane -> lanes: look at the row of the board for 3 cards
faults = {
    "lanes": 0,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: 21 lanes -> That is all slots together. How many has the narrowest?
faults = {
    "lanes": 21,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: lanes on average -> lanes: look at the row of the board for 3 cards
faults = {
    "lanes": 7,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: lanes in GB/s -> lanes: look at the row of the board for 3 cards
faults = {
    "lanes": 1.97,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: lanes of nothing -> lanes: look at the row of the board for 3 cards
faults = {
    "lanes": float("nan"),
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: a list with one -> answer with a number
faults = {
    "lanes": [1, 2],
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: a complex number -> answer with a number
faults = {
    "lanes": 1 + 0j,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: 450 without a unit as text -> answer with a number
faults = {
    "lanes": 1,
    "supply_short_watts": "450",
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: against twice the rating -> supply_short_watts: twice the rating is for a ten-thousandth of a second, not for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 1650 - 2400,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: a percentage -> supply_short_watts: cards times watts, plus the rest, less what the supply is rated for
faults = {
    "lanes": 1,
    "supply_short_watts": 27.3,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: a ratio -> supply_short_watts: cards times watts, plus the rest, less what the supply is rated for
faults = {
    "lanes": 1,
    "supply_short_watts": 1650 / 1200,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: cards alone -> supply_short_watts: cards times watts, plus the rest, less what the supply is rated for
faults = {
    "lanes": 1,
    "supply_short_watts": 1350,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: the rest alone -> supply_short_watts: cards times watts, plus the rest, less what the supply is rated for
faults = {
    "lanes": 1,
    "supply_short_watts": 300,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: two cards -> supply_short_watts: cards times watts, plus the rest, less what the supply is rated for
faults = {
    "lanes": 1,
    "supply_short_watts": 2 * 450 + 300 - 1200,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: tensor of several -> answer with a number
import torch

faults = {
    "lanes": 1,
    "supply_short_watts": torch.tensor([450, 450]),
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: short of the supply -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 450,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: nothing -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 0,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: 95 percent -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 1650 / 0.95 - 1440,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: 80 percent of the load -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 1650 / 0.8 - 1440,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: the other way -> outlet_over_watts: the other way round; too much is a positive number
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 1440 - 1650 / 0.9,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: what it gives -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 1440,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: amperes -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3 / 120,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: the EU's -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 1650 / 0.9 - 3680,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: kilowatts -> outlet_over_watts: in watts, not in kilowatts
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 0.3933,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: text -> answer with a number
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": "393 W",
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: loss only -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 1650 / 0.9 - 1650,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: the supply as it is, all the time -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 1200 / 0.9 - 1200,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: outlet: twice applied -> outlet_over_watts: what the supply draws to deliver the load, less what the outlet gives for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 1650 / 0.9 / 0.8 - 1440,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: mended: a supply in a set -> must be a row of the table
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply={"ATX3-1600", "ATX3-1000"}, outlet="EU 230 V 16 A"),
}

# %% wrong: mended: supplies as one text -> There is no supply
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="ATX3-1000, ATX3-1000", outlet="EU 230 V 16 A"),
}

# %% wrong: mended: supplies as a sum -> There is no supply
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="2x ATX3-1000", outlet="EU 230 V 16 A"),
}

# %% wrong: mended: a number of watts -> must be a row of the table
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply=2000, outlet="EU 230 V 16 A"),
}

# %% wrong: mended: boards in a list -> name one board of the table
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(
        board=["ASRock Rack ROMED8-2T", "ASUS Pro WS WRX90E-SAGE SE"],
        supply="SilverStone HELA 2050R",
        outlet="EU 230 V 16 A",
    ),
}

# %% wrong: mended: two outlets for one supply -> mended: Name one outlet for all supplies, or one for each: 2 for 1
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(
        board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet=["EU 230 V 16 A", "EU 230 V 16 A"]
    ),
}

# %% wrong: mended: no outlets -> name one outlet of the table
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet=[]),
}

# %% wrong: mended: no board -> name one board of the table
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board=[], supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: mended: a supply of another kind -> must be a row of the table
from mgpu_lab import HARDWARE

faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(
        board="ASRock Rack ROMED8-2T", supply=HARDWARE.boards["ASRock Rack ROMED8-2T"], outlet="EU 230 V 16 A"
    ),
}

# %% wrong: mended: parts exchanged -> There is no board
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="SilverStone HELA 2050R", supply="ASRock Rack ROMED8-2T", outlet="EU 230 V 16 A"),
}

# %% wrong: mended: the old supply -> it switches off
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="ATX3-1200", outlet="EU 230 V 16 A"),
}

# %% wrong: mended: one large supply on 15 A -> more than the circuit may carry for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="US 120 V 15 A"),
}

# %% wrong: mended: three supplies on one 15 A outlet -> more than the circuit may carry for hours
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply=["ATX3-1000"] * 3, outlet="US 120 V 15 A"),
}

# %% wrong: mended: a huge first, a small second -> name the supply, too
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply=["ATX3-1000", "ATX3-850", None], outlet="EU 230 V 16 A"),
}

# %% wrong: mended: open parts -> name the board, too
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board=..., supply=..., outlet=...),
}

# %% wrong: mended: nothing -> with three cards the narrowest slot is x1
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": {}}

# %% wrong: mended: cards with less -> must stay as before
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(
        board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A", cards="3x RTX-3090"
    ),
}

# %% wrong: mended: cards given as a number -> must stay as before
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A", cards=3),
}

# %% wrong: mended: rest as nothing -> must stay as before
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(
        board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A", rest_watts=None
    ),
}

# %% wrong: mended: a plan -> mended: a dictionary with board, supply, outlet
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A", plan=None),
}


# %% wrong: mended: a row that equals everything -> There is no board
class Any:
    name = "anything"
    lanes = {3: (16, 16, 16)}

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board=Any(), supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
}

# %% wrong: not a dictionary -> Answer with a dictionary that has
faults = "lanes 1"

# %% wrong: a number -> Answer with a dictionary that has
faults = 1

# %% wrong: a key too many -> Answer with a dictionary that has
faults = {
    "lanes": 1,
    "supply_short_watts": 450,
    "outlet_over_watts": 393.3,
    "mended": dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A"),
    "air": 1,
}

# %% wrong: lists of values -> answer with a number
faults = {
    "lanes": [1],
    "supply_short_watts": [450],
    "outlet_over_watts": [393.3],
    "mended": [dict(board="ASRock Rack ROMED8-2T", supply="SilverStone HELA 2050R", outlet="EU 230 V 16 A")],
}

# %% wrong: a function -> Answer with a dictionary that has
faults = lambda: {"lanes": 1}

# %% wrong: the rig mutated -> it switches off
from mgpu_lab.checks.lesson_09_rig import RIG

given = dict(RIG)
RIG["rest_watts"] = 0
mended = dict(board="ASRock Rack ROMED8-2T", supply="ATX3-1600", outlet="EU 230 V 16 A")
faults = {"lanes": 1, "supply_short_watts": 450, "outlet_over_watts": 393.3, "mended": mended}

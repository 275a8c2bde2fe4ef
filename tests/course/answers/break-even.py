# %% right: in one line
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = rent - watts / 1000 * kwh
    if saved <= 0:
        return None
    share = (buy / months + fixed) / (730 * saved)
    return share if share <= 1 else None


# %% right: totals over the whole time
def break_even(buy, months, rent, watts, kwh, fixed):
    hours = months * 730
    own_fixed = buy + fixed * months
    rent_all = rent * hours
    power_all = watts * hours * kwh / 1000
    if rent_all - power_all <= 0:
        return None
    u = own_fixed / (rent_all - power_all)
    if u > 1:
        return None
    return u


# %% right: renamed
def break_even(b, m, r, w, k, f):
    gain = 730 * (r - k * w / 1e3)
    return None if gain <= 0 or b / m + f > gain else (b / m + f) / gain


# %% right: lambda
break_even = lambda buy, months, rent, watts, kwh, fixed: (
    None
    if buy / months + fixed > 730 * (rent - watts * kwh / 1000) or rent <= watts * kwh / 1000
    else (buy / months + fixed) / (730 * (rent - watts * kwh / 1000))
)


# %% right: bisection
def break_even(buy, months, rent, watts, kwh, fixed):
    def own(u):
        return buy + months * (fixed + 730 * u * watts / 1000 * kwh)

    def rented(u):
        return months * 730 * u * rent

    if own(1) > rented(1) * (1 + 1e-12):
        return None
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if own(middle) > rented(middle):
            low = middle
        else:
            high = middle
    return high


# %% right: fractions
from fractions import Fraction as F


def break_even(buy, months, rent, watts, kwh, fixed):
    saved = F(rent) - F(watts) * F(kwh) / 1000
    if saved <= 0:
        return None
    share = (F(buy) / F(months) + F(fixed)) / (730 * saved)
    if share > 1 + F(1, 10**12):
        return None
    return share


# %% right: decimals
from decimal import Decimal


def break_even(*terms):
    buy, months, rent, watts, kwh, fixed = (Decimal(str(each)) for each in terms)
    saved = 730 * (rent - watts * kwh / 1000)
    if saved <= 0 or buy / months + fixed > saved:
        return None
    return (buy / months + fixed) / saved


# %% right: numpy scalars
import numpy as np


def break_even(buy, months, rent, watts, kwh, fixed):
    with np.errstate(divide="ignore", invalid="ignore"):
        u = np.float64(buy / months + fixed) / np.float64(730 * (rent - watts / 1000 * kwh))
    return u if 0 <= u <= 1 else None


# %% right: a torch number
import torch


def break_even(buy, months, rent, watts, kwh, fixed):
    gain = torch.tensor(730 * (rent - watts * kwh / 1000), dtype=torch.float64)
    cost = torch.tensor(buy / months + fixed, dtype=torch.float64)
    if gain <= 0 or cost > gain:
        return None
    return cost / gain


# %% right: a callable object
class BreakEven:
    hours = 730

    def __call__(self, buy, months, rent, watts, kwh, fixed):
        saved = (rent - watts * kwh / 1000) * self.hours
        monthly = buy / months + fixed
        return monthly / saved if saved > 0 and monthly <= saved else None


break_even = BreakEven()

# %% right: partial
from functools import partial


def share_of(hours, buy, months, rent, watts, kwh, fixed):
    saved = (rent - watts * kwh / 1000) * hours
    monthly = buy / months + fixed
    return monthly / saved if saved > 0 and monthly <= saved else None


break_even = partial(share_of, 730)


# %% right: try and except
def break_even(buy, months, rent, watts, kwh, fixed):
    try:
        hours = (buy / months + fixed) / (rent - watts / 1000 * kwh)
    except ZeroDivisionError:
        return None
    if hours < 0 or hours > 730:
        return None
    return hours / 730


# %% right: rounded to six places
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = rent - watts / 1000 * kwh
    if saved <= 0:
        return None
    share = round((buy / months + fixed) / (730 * saved), 6)
    return share if share <= 1 else None


# %% right: walrus
def break_even(buy, months, rent, watts, kwh, fixed):
    if (saved := 730 * (rent - watts * kwh * 1e-3)) > 0 and (share := (buy / months + fixed) / saved) <= 1:
        return share
    return None


# %% right: hours first, clipped by a tolerance
import math


def break_even(buy, months, rent, watts, kwh, fixed):
    saved = rent - watts * kwh / 1000
    if saved <= 0:
        return None
    share = (buy + months * fixed) / (months * 730 * saved)
    if math.isclose(share, 1):
        return 1
    return share if share < 1 else None


# %% right: an integer 1 where equal
def break_even(buy, months, rent, watts, kwh, fixed):
    a = buy + fixed * months
    b = (rent - watts * kwh / 1000) * 730 * months
    if abs(a - b) < 1e-6 * abs(a):
        return 1
    return a / b if 0 <= a < b else None


# %% right: with type hints and a docstring
def break_even(buy: float, months: int, rent: float, watts: float, kwh: float, fixed: float) -> float | None:
    """Share of hours from which on owning is cheaper."""
    fixed_monthly_usd = buy / months + fixed
    usd_per_hour = rent - watts / 1000 * kwh
    if usd_per_hour * 730 < fixed_monthly_usd or usd_per_hour <= 0:
        return None
    return fixed_monthly_usd / usd_per_hour / 730


# %% right: defaults, and more keywords
def break_even(buy, months, rent, watts=0, kwh=0.0, fixed=0, *, hours=730, **more):
    saved = hours * (rent - watts * kwh / 1000)
    monthly = buy / months + fixed
    return monthly / saved if saved > 0 and monthly <= saved else None


# %% right: a static method
class Cost:
    @staticmethod
    def break_even(buy, months, rent, watts, kwh, fixed):
        saved = 730 * (rent - watts * kwh / 1000)
        monthly = buy / months + fixed
        return monthly / saved if saved > 0 and monthly <= saved else None


break_even = Cost.break_even

# %% right: by the planner
from mgpu_lab import compare_cost


def break_even(buy, months, rent, watts, kwh, fixed):
    machine = dict(card_usd=buy, card_watts=watts, months=months, monthly_usd=fixed)
    return compare_cost("1x H100-SXM-80GB", usd_per_gpu_hour=rent, usd_per_kwh=kwh, pue=1, **machine).break_even


# %% right: two lines, where they cross
def break_even(buy, months, rent, watts, kwh, fixed):
    own_slope, own_start = 730 * watts * kwh / 1000, buy / months + fixed
    rent_slope = 730 * rent
    if own_start + own_slope > rent_slope or rent_slope <= own_slope:
        return None
    return own_start / (rent_slope - own_slope)


# %% right: logged
calls = []


def break_even(buy, months, rent, watts, kwh, fixed):
    calls.append((buy, months))
    saved = 730 * (rent - watts * kwh / 1000)
    monthly = buy / months + fixed
    return monthly / saved if saved > 0 and monthly <= saved else None


# %% right: cached
from functools import cache


@cache
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts * kwh / 1000)
    monthly = buy / months + fixed
    return monthly / saved if saved > 0 and monthly <= saved else None


# %% right: Newton's two steps
def break_even(buy, months, rent, watts, kwh, fixed):
    def gap(u):
        return buy / months + fixed + 730 * u * (watts / 1000 * kwh - rent)

    slope = gap(1) - gap(0)
    if slope >= 0 or gap(1) > 0:
        return None
    return -gap(0) / slope


# %% right: a match
def break_even(buy, months, rent, watts, kwh, fixed):
    match 730 * (rent - watts * kwh / 1000), buy / months + fixed:
        case gain, cost if gain > 0 and cost <= gain:
            return cost / gain
        case _:
            return None


# %% right: an array with no dimension
import numpy as np


def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts * kwh / 1000)
    monthly = buy / months + fixed
    return np.array(monthly / saved) if saved > 0 and monthly <= saved else None


# %% wrong: power forgotten -> an hour on your own machine is not free. What does it draw?
def break_even(buy, months, rent, watts, kwh, fixed):
    u = (buy / months + fixed) / (730 * rent)
    return u if u <= 1 else None


# %% wrong: fixed forgotten -> the fixed costs are missing. They are due each month
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = buy / months / (730 * s)
    return u if u <= 1 else None


# %% wrong: watts, not kilowatts -> returned None. But always busy
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh
    if s <= 0:
        return None
    u = (buy / months + fixed) / (730 * s)
    return u if u <= 1 else None


# %% wrong: 720 hours -> take a month as 730 hours
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / (720 * s)
    return u if u <= 1 else None


# %% wrong: 744 hours -> take a month as 730 hours
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / (744 * s)
    return u if u <= 1 else None


# %% wrong: percent -> that is in percent. Return a share between 0 and 1
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / (730 * s)
    return 100 * u if u <= 1 else None


# %% wrong: hours -> that is hours of a month. What share of all hours is it?
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / s
    return u if u <= 730 else None


# %% wrong: over 1 where it never is -> A machine cannot work more than all the time
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    return (buy / months + fixed) / (730 * s) if s > 0 else None


# %% wrong: negative where the rent is below power -> is no cheaper than an hour's rent
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s == 0:
        return None
    u = (buy / months + fixed) / (730 * s)
    return u if u <= 1 else None


# %% wrong: clipped to 1 -> Even always busy, owning costs more here
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    return min(1, (buy / months + fixed) / (730 * s)) if s > 0 else None


# %% wrong: infinity for never -> A machine cannot work more than all the time
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return float("inf")
    u = (buy / months + fixed) / (730 * s)
    return u if u <= 1 else float("inf")


# %% wrong: nan for never -> Even always busy, owning costs more here
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return float("nan")
    u = (buy / months + fixed) / (730 * s)
    return u if u <= 1 else float("nan")


# %% wrong: zero for never -> Even always busy, owning costs more here
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return 0
    u = (buy / months + fixed) / (730 * s)
    return u if u <= 1 else 0


# %% wrong: False for never -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return False
    u = (buy / months + fixed) / (730 * s)
    return u if u <= 1 else False


# %% wrong: the word None -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return "None"
    u = (buy / months + fixed) / (730 * s)
    return u if u <= 1 else "None"


# %% wrong: minus one for never -> Even always busy, owning costs more here
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return -1
    u = (buy / months + fixed) / (730 * s)
    return u if u <= 1 else -1


# %% wrong: None at exactly one -> both cost the same: return 1
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / (730 * s)
    return u if u < 0.9999999 else None


# %% wrong: fixed only while it works -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000 - fixed / 730
    if s <= 0:
        return None
    u = buy / months / (730 * s)
    return u if u <= 1 else None


# %% wrong: power all the time -> electricity is paid for the hours in which the machine works, not for all hours
def break_even(buy, months, rent, watts, kwh, fixed):
    u = (buy / months + fixed + 730 * watts * kwh / 1000) / (730 * rent)
    return u if u <= 1 else None


# %% wrong: fixed once -> the fixed costs are due each month, not once
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy + fixed) / months / (730 * s)
    return u if u <= 1 else None


# %% wrong: power added -> electricity makes an hour of your own dearer, so what an hour saves gets smaller, not larger
def break_even(buy, months, rent, watts, kwh, fixed):
    u = (buy / months + fixed) / (730 * (rent + watts * kwh / 1000))
    return u if u <= 1 else None


# %% wrong: upside down -> Return a share of all hours, between 0 and 1
def break_even(buy, months, rent, watts, kwh, fixed):
    return 730 * (rent - watts * kwh / 1000) / (buy / months + fixed)


# %% wrong: months forgotten -> returned None. But always busy
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy + fixed) / (730 * s)
    return u if u <= 1 else None


# %% wrong: months times -> returned None. But always busy
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy * months + fixed) / (730 * s)
    return u if u <= 1 else None


# %% wrong: years -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months / 12 + fixed) / (730 * s)
    return u if u <= 1 else None


# %% wrong: whether it pays -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    return buy / months + fixed < 730 * (rent - watts * kwh / 1000)


# %% wrong: a text -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / (730 * s)
    return f"{u:.2%}" if u <= 1 else None


# %% wrong: a list -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return [None]
    u = (buy / months + fixed) / (730 * s)
    return [u] if u <= 1 else [None]


# %% wrong: prints -> returned None. But always busy
def break_even(buy, months, rent, watts, kwh, fixed):
    print((buy / months + fixed) / (730 * (rent - watts * kwh / 1000)))


# %% wrong: always None -> returned None. But always busy
def break_even(buy, months, rent, watts, kwh, fixed):
    if buy > 0:
        return None


# %% wrong: a constant -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    return 0.5


# %% wrong: five terms -> and yours does not take that
def break_even(buy, months, rent, watts, kwh):
    s = rent - watts * kwh / 1000
    return buy / months / (730 * s) if s > 0 else None


# %% wrong: one dictionary -> and yours does not take that
def break_even(terms):
    return terms["buy"] / terms["months"] / 730 / terms["rent"]


# %% wrong: other order -> at that utilisation renting costs
def break_even(buy, months, watts, rent, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / (730 * s)
    return u if u <= 1 else None


# %% wrong: the number itself -> Hand over the function
break_even = 0.42

# %% wrong: called -> Hand over the function
break_even = {"share": 0.42}


# %% wrong: rounded to whole percent -> near, not right
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = round((buy / months + fixed) / (730 * s), 2)
    return u if u <= 1 else None


# %% wrong: rounded up to tenths -> at that utilisation renting costs
import math


def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = math.ceil(10 * (buy / months + fixed) / (730 * s)) / 10
    return u if u <= 1 else None


# %% wrong: whole dollars -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh // 1000
    if s <= 0:
        return None
    u = (buy // months + fixed) / (730 * s)
    return u if u <= 1 else None


# %% wrong: divides by nothing -> divided by zero
def break_even(buy, months, rent, watts, kwh, fixed):
    u = (buy / months + fixed) / (730 * (rent - watts * kwh / 1000))
    return u if 0 <= u <= 1 else None


# %% wrong: a generator -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    yield (buy / months + fixed) / (730 * s)


# %% wrong: a function returned -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    return lambda: (buy / months + fixed) / (730 * (rent - watts * kwh / 1000))


# %% wrong: it remembers the first -> at that utilisation renting costs
seen = []


def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    u = None if s <= 0 else (buy / months + fixed) / (730 * s)
    seen.append(u if u is None or u <= 1 else None)
    return seen[0]


# %% wrong: a complex number -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / (730 * s)
    return complex(u) if u <= 1 else None


# %% wrong: idle share -> that is the rest of the hours, when nobody works
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / (730 * s)
    return 1 - u if u <= 1 else None


# %% wrong: months it takes -> Return a share of all hours, between 0 and 1
def break_even(buy, months, rent, watts, kwh, fixed):
    s = 730 * (rent - watts * kwh / 1000) - fixed
    return buy / s if s > 0 else None


# %% wrong: that over the months -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    s = 730 * (rent - watts * kwh / 1000) - fixed
    if s <= 0:
        return None
    u = buy / s / months
    return u if u <= 1 else None


# %% wrong: 24 x 30.4 hours -> near, not right
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / (24 * 30.4 * s)
    return u if u <= 1 else None


# %% wrong: not attempted -> Not attempted yet
def break_even(buy, months, rent, watts, kwh, fixed): ...


# %% wrong: raises for never -> never
def break_even(buy, months, rent, watts, kwh, fixed):
    s = rent - watts * kwh / 1000
    u = (buy / months + fixed) / (730 * s)
    if not 0 <= u <= 1:
        raise ValueError("never")
    return u


# %% wrong: power by eight cards -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    s = 8 * rent - watts * kwh / 1000
    if s <= 0:
        return None
    u = (buy / months + fixed) / (730 * s)
    return u if u <= 1 else None


# %% right: a while loop that halves
def break_even(buy, months, rent, watts, kwh, fixed):
    gap = lambda u: buy / months + fixed - 730 * u * (rent - watts * kwh / 1000)
    if gap(1) > 1e-9:
        return None
    low, high = 0, 1
    while high - low > 1e-9:
        low, high = ((low + high) / 2, high) if gap((low + high) / 2) > 0 else (low, (low + high) / 2)
    return high


# %% right: rounded to four places
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    return round(monthly / saved, 4) if 0 < saved and monthly <= saved else None


# %% right: a fine grid
def break_even(buy, months, rent, watts, kwh, fixed):
    import numpy as np

    u = np.linspace(0, 1, 100_001)
    owning = buy + months * (fixed + 730 * u * watts / 1000 * kwh)
    renting = months * 730 * u * rent
    if rent <= watts * kwh / 1000:
        return None
    wins = np.flatnonzero(owning <= renting * (1 + 1e-9))
    return float(u[wins[0]]) if len(wins) else None


# %% right: scipy's way by hand, with secants
def break_even(buy, months, rent, watts, kwh, fixed):
    f = lambda u: buy + months * fixed - months * 730 * u * (rent - watts / 1000 * kwh)
    if f(0) == f(1) or f(1) > 1e-6 or f(1) > f(0):
        return None
    return f(0) / (f(0) - f(1))


# %% right: a method of an instance
class Terms:
    HOURS = 730

    def break_even(self, buy, months, rent, watts, kwh, fixed):
        saved = self.HOURS * (rent - watts / 1000 * kwh)
        monthly = buy / months + fixed
        return monthly / saved if saved > 0 and monthly <= saved else None


break_even = Terms().break_even


# %% right: positional only
def break_even(buy, months, rent, watts, kwh, fixed, /):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    return monthly / saved if saved > 0 and monthly <= saved else None


# %% right: watt-hours first
def break_even(buy, months, rent, watts, kwh, fixed):
    usd_per_wh = kwh / 1000
    work_usd = rent - watts * usd_per_wh
    total = buy + fixed * months
    hours = months * 730
    if not work_usd > 0:
        return None
    needed = total / work_usd
    return None if needed > hours else needed / hours


# %% right: 8,760 hours a year
def break_even(buy, months, rent, watts, kwh, fixed):
    years = months / 12
    year = buy / years + 12 * fixed
    gain = 8760 * (rent - watts * kwh / 1000)
    if gain <= 0:
        return None
    u = year / gain
    return u if u <= 1 + 1e-12 else None


# %% right: a decorated one
from functools import wraps


def shares(function):
    @wraps(function)
    def inner(*terms):
        share = function(*terms)
        return share if share is not None and 0 <= share <= 1 else None

    return inner


@shares
def break_even(buy, months, rent, watts, kwh, fixed):
    if rent <= watts * kwh / 1000:
        return None
    return (buy / months + fixed) / (730 * (rent - watts * kwh / 1000))


# %% right: infinity inside
def break_even(buy, months, rent, watts, kwh, fixed):
    import math

    gain = 730 * (rent - watts * kwh / 1000)
    u = (buy / months + fixed) / gain if gain > 0 else math.inf
    return None if u > 1 else u


# %% right: a zero that is an integer
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    if saved <= 0 or monthly > saved:
        return None
    if not monthly:
        return 0
    return monthly / saved


# %% wrong: a grid of whole percent -> near, not right
def break_even(buy, months, rent, watts, kwh, fixed):
    for percent in range(101):
        u = percent / 100
        if buy + months * (fixed + 730 * u * watts / 1000 * kwh) <= months * 730 * u * rent:
            return u
    return None


# %% wrong: a grid of tenths of percent -> near, not right
def break_even(buy, months, rent, watts, kwh, fixed):
    for step in range(1001):
        u = step / 1000
        if buy + months * (fixed + 730 * u * watts / 1000 * kwh) <= months * 730 * u * rent:
            return u
    return None


# %% wrong: 30 days of 24 hours -> take a month as 730 hours
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = 30 * 24 * (rent - watts * kwh / 1000)
    monthly = buy / months + fixed
    return monthly / gain if gain > 0 and monthly <= gain else None


# %% wrong: 365.25 days -> near, not right
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = 365.25 * 2 * (rent - watts * kwh / 1000)
    monthly = buy / months + fixed
    return monthly / gain if gain > 0 and monthly <= gain else None


# %% wrong: idle power as well -> near, not right
def break_even(buy, months, rent, watts, kwh, fixed):
    own0 = buy / months + fixed + 730 * 0.1 * watts * kwh / 1000
    gain = 730 * (rent - 0.9 * watts * kwh / 1000)
    return own0 / gain if gain > 0 and own0 <= gain else None


# %% wrong: a resale of 20 percent -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = 730 * (rent - watts * kwh / 1000)
    monthly = 0.8 * buy / months + fixed
    return monthly / gain if gain > 0 and monthly <= gain else None


# %% wrong: interest -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = 730 * (rent - watts * kwh / 1000)
    monthly = 1.05 * buy / months + fixed
    return monthly / gain if gain > 0 and monthly <= gain else None


# %% wrong: PUE -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = 730 * (rent - 1.58 * watts * kwh / 1000)
    monthly = buy / months + fixed
    return monthly / gain if gain > 0 and monthly <= gain else None


# %% wrong: fixed subtracted -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = 730 * (rent - watts * kwh / 1000)
    monthly = buy / months - fixed
    return monthly / gain if gain > 0 and 0 <= monthly <= gain else None


# %% wrong: fixed for a year -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = 730 * (rent - watts * kwh / 1000)
    monthly = buy / months + fixed / 12
    return monthly / gain if gain > 0 and monthly <= gain else None


# %% wrong: watts by 100 -> returned None. But always busy
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = 730 * (rent - watts / 100 * kwh)
    monthly = buy / months + fixed
    return monthly / gain if gain > 0 and monthly <= gain else None


# %% wrong: watts forgotten, kWh taken -> at that utilisation renting costs
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = 730 * (rent - kwh)
    monthly = buy / months + fixed
    return monthly / gain if gain > 0 and monthly <= gain else None


# %% wrong: divided by kWh -> returned None. But always busy
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = 730 * (rent - watts / 1000 / kwh)
    monthly = buy / months + fixed
    return monthly / gain if gain > 0 and monthly <= gain else None


# %% wrong: strictly below -> both cost the same: return 1
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    return monthly / saved if monthly < saved else None


# %% wrong: no test of the sign -> is no cheaper than an hour's rent
def break_even(buy, months, rent, watts, kwh, fixed):
    try:
        u = (buy / months + fixed) / (730 * (rent - watts * kwh / 1000))
    except ZeroDivisionError:
        return None
    return u if u <= 1 else None


# %% wrong: the sign swallowed -> is no cheaper than an hour's rent
def break_even(buy, months, rent, watts, kwh, fixed):
    gain = abs(730 * (rent - watts * kwh / 1000))
    monthly = buy / months + fixed
    return monthly / gain if gain and monthly <= gain else None


# %% wrong: 1 where it never is by power -> is no cheaper than an hour's rent
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    if saved <= 0:
        return 1
    return monthly / saved if monthly <= saved else None


# %% wrong: None for a free machine -> returned None. But always busy
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    if not buy:
        return None
    return monthly / saved if saved > 0 and monthly <= saved else None


# %% wrong: a zero taken for none -> returned None. But always busy
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    u = monthly / saved if saved > 0 and monthly <= saved else None
    return u or None


# %% wrong: true where it costs the same -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    return monthly / saved if saved > 0 and monthly < saved else (monthly == saved) or None


# %% wrong: a tuple with a unit -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    return (monthly / saved, "share") if saved > 0 and monthly <= saved else None


# %% wrong: a dictionary -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    return {"share": monthly / saved} if saved > 0 and monthly <= saved else None


# %% wrong: an array of all -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    import numpy as np

    return np.array([0.5, 0.6])


# %% wrong: an empty array -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    import numpy as np

    return np.array([])


# %% wrong: nan always -> Return a share of all hours, between 0 and 1
def break_even(buy, months, rent, watts, kwh, fixed):
    return float("nan")


# %% wrong: a huge integer -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    return 10**400


# %% wrong: a number that Python does not print -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    return 10**5000


# %% wrong: recursion without end -> break_even(250000, 36, 16, 10000, 0.15, 3000) ended in a RecursionError: it calls itself without end
def break_even(buy, months, rent, watts, kwh, fixed):
    return break_even(buy, months, rent, watts, kwh, fixed)


# %% wrong: raises TypeError inside -> The check called break_even(250000, 36, 16, 10000, 0.15, 3000)
def break_even(buy, months, rent, watts, kwh, fixed):
    return "a" + buy


# %% wrong: a KeyError -> 'share'
def break_even(buy, months, rent, watts, kwh, fixed):
    return {}["share"]


# %% wrong: keyword only -> and yours does not take that
def break_even(*, buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    return monthly / saved


# %% wrong: seven terms -> and yours does not take that
def break_even(buy, months, rent, watts, kwh, fixed, resale):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    return monthly / saved


# %% wrong: no terms -> and yours does not take that
def break_even():
    return 0.94


# %% wrong: a class that keeps it -> Return a number or None
class break_even:
    def __init__(self, buy, months, rent, watts, kwh, fixed):
        self.share = (buy / months + fixed) / (730 * (rent - watts * kwh / 1000))


# %% wrong: not implemented -> Not attempted yet
def break_even(buy, months, rent, watts, kwh, fixed):
    raise NotImplementedError


# %% wrong: the planner with its PUE -> at that utilisation renting costs
from mgpu_lab import compare_cost


def break_even(buy, months, rent, watts, kwh, fixed):
    return compare_cost(
        "1x H100-SXM-80GB",
        card_usd=buy,
        card_watts=watts,
        months=months,
        monthly_usd=fixed,
        usd_per_gpu_hour=rent,
        usd_per_kwh=kwh,
    ).break_even


# %% wrong: rounded to two digits of a percent's tenth -> near, not right
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    return round(monthly / saved, 3) if saved > 0 and monthly <= saved else None


# %% wrong: a string where never -> Return a number or None
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    return monthly / saved if saved > 0 and monthly <= saved else "never"


# %% wrong: raises where never -> never
def break_even(buy, months, rent, watts, kwh, fixed):
    saved = 730 * (rent - watts / 1000 * kwh)
    monthly = buy / months + fixed
    if saved <= 0 or monthly > saved:
        raise ArithmeticError("never")
    return monthly / saved

/*
 * The protocol of src/pool/board/ as a model that spin tries in every order of steps: two workers, an executor, few slots.
 * A step is one operation on a shared cell, as the sources have it; what only one of them sees goes with the step before.
 * What it leaves out: ranks (any attempt may come first, in hand or on the board), payloads and values, words of READY but one.
 *
 * -DLINKS  tells, closed lists, count-down, failure, death of a worker at any step; whoever has nothing to do looks again.
 * -DCLAIMS claims against revocations and slots that are used anew, with the notes of which words of READY have bits.
 * -DSLEEP  dozing and sleeping, bells and messages; the executor does not poll. With -DWAKES nobody dozes.
 * -DFORK   one task before the others; else the last one waits for the two before it.
 * -DPLAIN  READY without notes, and whoever looks takes: for what is tried with more tasks.
 * -DFAULT=n  breaks one rule; board_model_test.ts says which, and holds the model to noticing each.
 *
 * At the end all tasks have succeeded, or spin finds an invalid end state; the assertions are the rest of the contract.
 */
#ifndef FAULT
#define FAULT 0
#endif

#ifndef TASKS
#define TASKS 3
#endif
#ifdef LINKS
#define PLAIN
#endif
#ifndef SLOTS
#define SLOTS 3
#endif
#ifdef CLAIMS
#define NEEDS(t) 0
#define AWAITED(t) 0
#elif defined(FORK)
#define NEEDS(t) ((t) == 0 -> 0 : 1) /* 1 and 2 need 0 */
#define AWAITED(t) ((t) == 0 -> 2 : 0)
#else
#define NEEDS(t) ((t) == 2 -> 3 : 0) /* 2 needs 0 and 1 */
#define AWAITED(t) ((t) == 2 -> 0 : 1)
#endif
/* What a worker believes before it blocks: some may be wrong for a moment. */
#if FAULT == 11
#define SOMETHING some
#else
#define SOMETHING (ready != 0)
#endif
/* And what it notes of that, for itself to find. */
#ifdef PLAIN
#define NOTE skip
#else
#define NOTE some = 1
#endif
#ifndef FAILURES
#define FAILURES 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef REVOCATIONS
#define REVOCATIONS 0
#endif

#ifdef WAKES
#define NO_DOZE 1
#define PLAIN
#else
#define NO_DOZE 0
#endif

#define LINK_COUNT 4
#define NONE 255
#define CLOSED 254
#define BIT(n) (1 << (n))
#define HAS(mask, n) (((mask) >> (n)) & 1)
#define TICKET(slot, use) ((use) * SLOTS + (slot))
#define SLOT_OF(ticket) ((ticket) % SLOTS)
#define USE_OF(ticket) ((ticket) / SLOTS)
#define LOOKING 1
#define RUNS(ticket) ((ticket) + 2)
#define FREE 0
#define OFFERED 1
#define CLAIMED 2
#define REVOKED 3

/* The shared cells: STATE, LEFT, HEAD, TASK of each slot; NEXT and TO of each link; what is ready; CURRENT of each worker. */
byte standing[SLOTS], stateUse[SLOTS], seat[SLOTS];
byte leftUse[SLOTS], leftCount[SLOTS];
byte head[SLOTS], taskIn[SLOTS];
byte nextLink[LINK_COUNT], toTicket[LINK_COUNT];
byte ready;
bit some;
byte current[2];
chan outbox[2] = [3] of { byte, bit };
bit held[2];
#ifdef SLEEP
/* STIR, as each worker sees it: whether it has changed since it was read. */
bit stirred[2];
byte sleepers, dozers;
short unclaimed;
bit idle[2], bell[2], blocked[2];
byte bells[2], wakes[2];
#endif

/* Death of a worker: it is to die, it is gone, another has taken its place. */
bit killed[2], gone[2];

/* What really is, for the assertions: tasks told as successes, tasks that run; where a worker is at work, which link is next. */
byte told, running, begun;
byte at[2], walks[2];
byte failures;
bit over;
/* The worker that claims first is called 0. */
bit began;

#define ALL (BIT(TASKS) - 1)

#ifdef PLAIN
#define reveal(s) ready = ready | BIT(s)
#else
inline reveal(s) {
  ready = ready | BIT(s);
  if
  :: some
  :: !some -> some = 1
  fi
}
#endif

inline look(bits) {
  bits = ready;
#ifndef PLAIN
  if
  :: bits == 0 ->
    some = 0;
#if FAULT != 3
    bits = ready;
    if
    :: bits != 0 -> some = 1
    :: else
    fi
#endif
  :: else
  fi
#endif
}

#ifdef SLEEP
inline stir(count) {
  atomic { stirred[0] = 1; stirred[1] = 1 };
  atomic {
    if
    :: dozers > 0 && count > 1 -> blocked[0] = 0; blocked[1] = 0
    :: dozers > 0 && count == 1 && blocked[0] -> blocked[0] = 0
    :: dozers > 0 && count == 1 && !blocked[0] -> blocked[1] = 0
    :: dozers == 0
    fi
  }
}

inline ring(w) {
  if
  :: !bell[w] -> bell[w] = 1; bells[w]++
  :: else
  fi
}
#else
#define stir(count) skip
#endif

/* What was in hand is left to others. */
inline leave() {
  reveal(other);
  other = 0;
#ifdef SLEEP
  stir(1);
#if FAULT != 12
  if
  :: sleepers > 0 -> atomic { quiet = 0; ring(me) }
  :: sleepers == 0
  fi
#endif
#endif
}

/* What is told is true: from now on others may rely on it. */
inline tell() {
  outbox[me]!TICKET(slot, stateUse[slot]), ok;
  running = running & ~BIT(taskIn[slot]);
  if
  :: ok -> told = told | BIT(taskIn[slot])
  :: else
  fi
}

/* The worker: hand.ts, and of line.ts what comes between. */
proctype Worker(byte me) {
  byte next, ticket, slot, bits, link, other, left, few, awaited;
  bit ok, quiet, dozed;
birth:
  {
    d_step { next = NONE; ticket = NONE; quiet = 0; dozed = NO_DOZE; ok = 0; bits = 0; slot = 0; link = 0; other = 0; left = 0; few = 0 };
again:
#ifdef PLAIN
#ifdef SLEEP
    current[me] = LOOKING;
#else
end_idle:
    atomic { (me == 0 || began) && !held[me] && (next != NONE || ready != 0) -> current[me] = LOOKING };
#endif
take:
    atomic {
      if
      :: next != NONE -> goto mine
      :: HAS(ready, 0) -> slot = 0
      :: HAS(ready, 1) -> slot = 1
      :: HAS(ready, 2) -> slot = 2
      :: ready == 0 && next == NONE -> goto nothing
      fi;
      ready = ready & ~BIT(slot);
      if
      :: next != NONE -> other = SLOT_OF(next); next = NONE
      :: else -> goto check
      fi
    };
    leave();
check:
    atomic {
      ticket = TICKET(slot, stateUse[slot]);
      ok = 0;
      if
      :: standing[slot] == OFFERED && leftUse[slot] == stateUse[slot] && leftCount[slot] == 0 -> goto claim
      :: else -> goto take
      fi
    };
#else
end_idle:
#ifdef SLEEP
    current[me] = LOOKING;
#else
    atomic { (me == 0 || began) && some -> current[me] = LOOKING };
#endif
take:
    atomic {
      if
      :: next != NONE -> goto mine
      :: some
      :: !some && next == NONE -> goto nothing
      fi
    };
    atomic {
      bits = ready;
      if
      :: bits != 0 -> goto choose
      :: else
      fi
    };
    some = 0;
#if FAULT == 3
    goto mine;
#endif
    atomic {
      bits = ready;
      if
      :: bits == 0 -> goto mine
      :: else
      fi
    };
    some = 1;
choose:
    atomic {
      if
      :: HAS(bits, 0) -> slot = 0
      :: HAS(bits, 1) -> slot = 1
      :: HAS(bits, 2) -> slot = 2
      :: next != NONE -> bits = 0; slot = 0; goto mine
      fi;
      bits = 0;
#if FAULT != 4
      ok = HAS(ready, slot);
      ready = ready & ~BIT(slot);
      if
      :: !ok -> goto take
      :: next == NONE -> goto check
      :: else
      fi;
#endif
      if
      :: next != NONE -> other = SLOT_OF(next); next = NONE
      :: else -> goto check
      fi
    };
    leave();
check:
    skip;
    atomic { ok = (standing[slot] == OFFERED); ticket = TICKET(slot, stateUse[slot]) };
    atomic {
      if
      :: ok && leftUse[slot] == USE_OF(ticket) && leftCount[slot] == 0 -> goto claim
      :: else
      fi
    };
#if FAULT == 4
    ready = ready & ~BIT(slot);
#endif
    goto take;
#endif
mine:
    atomic {
      ticket = next;
      next = NONE;
      if
      :: ticket == NONE -> goto nothing
      :: else
      fi
    };
claim:
#ifndef PLAIN
    skip;
#endif
    atomic {
      slot = SLOT_OF(ticket);
      ok = (standing[slot] == OFFERED && stateUse[slot] == USE_OF(ticket));
      if
      :: ok ->
        standing[slot] = CLAIMED;
        seat[slot] = me;
        at[me] = slot + 1;
        began = 1;
        begun = begun | BIT(taskIn[slot]);
        assert(!HAS(told, taskIn[slot]));
        assert(!HAS(running, taskIn[slot]));
        assert((NEEDS(taskIn[slot]) & ~told) == 0);
        running = running | BIT(taskIn[slot])
      :: else
#if FAULT != 4
        -> goto take
#endif
      fi
    };
#if FAULT == 4
    atomic {
      ready = ready & ~BIT(slot);
      if
      :: !ok -> goto take
      :: else
      fi
    };
#endif
    current[me] = RUNS(ticket);
#ifdef SLEEP
    atomic { unclaimed--; dozed = NO_DOZE };
#endif
    atomic {
#ifdef WAKES
      /* The two that wait for the first go on only side by side: none may wait for a worker that sleeps. */
      taskIn[slot] == 0 || (begun & 6) == 6;
#endif
      if
      :: ok = 1
      :: failures < FAILURES -> failures++; held[me] = 1; ok = 0
      fi;
#if FAULT != 1
      tell();
#endif
      if
      :: !ok -> goto done
      :: else
      fi
    };
    atomic {
      walks[me] = head[slot];
      head[slot] = CLOSED;
      awaited = AWAITED(taskIn[slot])
    };
    do
    :: atomic { walks[me] == 0 -> break }
    :: atomic {
        walks[me] != 0 ->
        link = walks[me] - 1;
        ticket = toTicket[link];
        walks[me] = nextLink[link];
        link = 0;
        few++;
        other = SLOT_OF(ticket);
        if
        :: (leftUse[other] == USE_OF(ticket) || FAULT == 7) && leftCount[other] > 0 ->
          leftCount[other]--;
          bits = (leftCount[other] == 0)
        :: else -> bits = 0
        fi;
        if
        :: bits && next == NONE -> next = ticket; bits = 0
        :: bits && next != NONE
        :: bits && next != NONE -> other = SLOT_OF(next); next = ticket
        :: !bits
        fi;
        ticket = NONE
      };
      if
      :: bits -> bits = 0; reveal(other); left++
      :: !bits
      fi
    od;
#if FAULT == 1
    atomic { tell() };
#endif
#ifdef SLEEP
    if
    :: left > 0 ->
      stir(left);
      ok = (few < awaited || (FAULT != 9 && sleepers > 0))
    :: else -> ok = (few < awaited)
    fi;
#else
    ok = 0;
#endif
done:
    atomic {
#ifdef SLEEP
      ok = ok || held[me];
#endif
#if FAULT == 13
      current[me] = 0;
#else
      current[me] = (next != NONE -> LOOKING : 0);
#endif
      at[me] = 0;
      ticket = NONE; slot = 0; other = 0; few = 0; left = 0; awaited = 0
    };
#ifdef SLEEP
    if
    :: ok -> atomic { ok = 0; quiet = 0; ring(me) }
    :: else -> quiet = 1
    fi;
    if
    :: held[me] -> goto nothing
    :: else
    fi;
#else
#endif
    goto again;
nothing:
    atomic { current[me] = 0; ticket = NONE; slot = 0; ok = 0; other = 0 };
#ifdef SLEEP
    if
    :: atomic { quiet && (dozed || unclaimed <= 0) -> quiet = 0; ring(me) }
    :: !(quiet && (dozed || unclaimed <= 0))
    fi;
    if
    :: !dozed ->
      atomic { dozed = 1; stirred[me] = 0 };
      if
      :: SOMETHING -> NOTE; goto again
      :: else
      fi;
      dozers++;
      blocked[me] = !stirred[me];
      /* Time wakes it as well, for it to tell what it has done: what is ready must not wait for that. */
      atomic { !blocked[me] || ready == 0 -> blocked[me] = 0 };
      dozers--;
      goto again
    :: else
    fi;
    sleepers++;
    idle[me] = 1;
#if FAULT != 8
    if
    :: held[me] || !SOMETHING
    :: atomic {
        !held[me] && SOMETHING ->
        if
        :: idle[me] -> idle[me] = 0
        :: else -> goto end_asleep
        fi
      };
      NOTE;
      sleepers--;
      goto again
    fi;
#endif
end_asleep:
    atomic { wakes[me] > 0 -> wakes[me]-- };
#endif
    goto again
  }
#if DEATHS > 0
  unless {
    d_step { killed[me] -> at[me] = 0; walks[me] = 0; gone[me] = 1 }
  };
end_gone:
  atomic { !gone[me] -> held[me] = 0; current[me] = 0 };
  goto birth
#endif
}

#define OPEN_TICKET(ticket) (item[SLOT_OF(ticket)] != 0 && useOf[SLOT_OF(ticket)] == USE_OF(ticket))
#define PASSED(s) (passing[s] != 0 && current[passing[s] - 1] != RUNS(TICKET(s, useOf[s])))
#define KNOWN (open | settled)
#define RELEASABLE(t) (freeSlots != 0 && !HAS(KNOWN, t) && (NEEDS(t) & ~KNOWN) == 0)
#define NEXT_TASK (RELEASABLE(0) -> 0 : (RELEASABLE(1) -> 1 : (TASKS > 2 && RELEASABLE(2) -> 2 : NONE)))
#define LOWEST(mask) (HAS(mask, 0) -> 0 : (HAS(mask, 1) -> 1 : (HAS(mask, 2) -> 2 : 3)))

inline letGo(slot) {
  freeLinks = freeLinks | linksOf[slot];
  linksOf[slot] = 0;
  freeSlots = freeSlots | BIT(slot);
  passing[slot] = 0
}

inline close(slot) {
  open = open & ~BIT(item[slot] - 1);
  slotOf[item[slot] - 1] = NONE;
  item[slot] = 0
}

/* Hangs up the task t. */
inline offer() {
  atomic {
    s = LOWEST(freeSlots);
    freeSlots = freeSlots & ~BIT(s);
    useOf[s]++;
    item[s] = t + 1;
    slotOf[t] = s;
    open = open | BIT(t);
    behind = NEEDS(t) & ~settled;
    assert(at[0] != s + 1 && at[1] != s + 1);
    assert(!HAS(running, t));
    taskIn[s] = t;
    head[s] = 0;
    more = 1;
    leftUse[s] = useOf[s];
    leftCount[s] = more + HAS(behind, 0) + HAS(behind, 1)
  };
  atomic { stateUse[s] = useOf[s]; standing[s] = OFFERED };
  do
  :: atomic {
      behind != 0 ->
      n = slotOf[LOWEST(behind)];
      behind = behind & (behind - 1);
      if
      :: head[n] == CLOSED && FAULT != 6 -> more++
      :: else ->
        link = LOWEST(freeLinks);
        assert(link < LINK_COUNT && freeLinks != 0);
        assert(walks[0] != link + 1 && walks[1] != link + 1);
        toTicket[link] = TICKET(s, useOf[s]);
        nextLink[link] = head[n];
        head[n] = link + 1;
        freeLinks = freeLinks & ~BIT(link);
        linksOf[n] = linksOf[n] | BIT(link)
      fi;
      n = 0;
      link = 0
    }
  :: behind == 0 -> break
  od;
  if
  :: atomic { leftCount[s] == more -> leftCount[s] = 0; more = 0 };
    reveal(s)
  :: atomic { leftCount[s] != more -> leftCount[s] = leftCount[s] - more; more = 0 }
  fi;
  atomic { s = 0; t = 0 }
}

/* Takes back what has not begun of these slots. */
inline takeBack(mask) {
  t = TASKS;
  do
  :: atomic { t > 0 && !(HAS(open, t - 1) && HAS(mask, slotOf[t - 1])) -> t-- }
  :: atomic {
      t > 0 && HAS(open, t - 1) && HAS(mask, slotOf[t - 1]) ->
      t--;
      s = slotOf[t];
      if
      :: standing[s] == OFFERED && stateUse[s] == useOf[s] -> standing[s] = REVOKED
      :: else -> s = NONE
      fi
    };
    if
    :: s != NONE ->
      atomic { ready = ready & ~BIT(s); close(s); letGo(s) };
#ifdef SLEEP
      unclaimed--
#endif
    :: else
    fi
  :: atomic { t == 0 -> s = 0; break }
  od
}

/* Adds all slots that hang behind those of a mask. */
inline collect(from, found) {
  d_step {
    for (n : 0 .. SLOTS - 1) {
      for (link : 0 .. LINK_COUNT - 1) {
        for (s : 0 .. SLOTS - 1) {
          if
          :: HAS(from | found, s) && HAS(linksOf[s], link) && OPEN_TICKET(toTicket[link]) ->
            found = found | BIT(SLOT_OF(toTicket[link]))
          :: else
          fi
        }
      }
    };
    n = 0; link = 0; s = 0
  }
}

/* An attempt in the slot x has ended, and w had claimed it. */
inline settle(success) {
  behind = 0;
  if
  :: !(success) -> collect(BIT(x), behind); takeBack(behind); behind = 0
  :: else
  fi;
  atomic {
    if
    :: success -> settled = settled | BIT(item[x] - 1)
    :: else
    fi;
    close(x);
    if
    :: FAULT != 2 && current[by] == RUNS(TICKET(x, useOf[x])) -> passing[x] = by + 1
    :: else -> letGo(x)
    fi
  }
}

#ifdef SLEEP
inline wake(lane) {
  if
  :: idle[lane] -> idle[lane] = 0; sleepers--; wakes[lane]++
  :: else
  fi
}
#define RELEASE_HELD(lane) held[lane] = 0; atomic { wake(lane) }
#else
#define RELEASE_HELD(lane) held[lane] = 0
#endif

/* Folds what w has told, and before it what the other has told where that comes first. */
inline drain() {
  do
  :: nempty(outbox[w]) ->
    d_step {
      by = w;
      outbox[by]?<tk, success>;
      if
      :: (NEEDS(item[SLOT_OF(tk)] - 1) & ~settled) != 0 -> by = 1 - w
      :: else
      fi
    };
    d_step {
      assert(nempty(outbox[by]));
      outbox[by]?tk, success;
      x = SLOT_OF(tk);
      assert(OPEN_TICKET(tk));
      assert(standing[x] == CLAIMED && seat[x] == by);
      assert((NEEDS(item[x] - 1) & ~settled) == 0)
    };
    settle(success);
    if
    :: !success -> RELEASE_HELD(by)
    :: else
    fi
  :: empty(outbox[w]) -> break
  od;
  atomic { tk = 0; x = 0; by = 0; success = 0; s = 0; t = 0 }
}

/* A worker is gone: what it told is folded, what it ran has crashed, and what it may have left half done is made whole. */
inline bury() {
  drain();
  x = 0;
  do
  :: x < SLOTS ->
    if
    :: item[x] != 0 && standing[x] == CLAIMED && seat[x] == w && stateUse[x] == useOf[x] ->
#ifdef DUE
      assert((NEEDS(item[x] - 1) & ~settled) == 0);
#endif
      running = running & ~BIT(item[x] - 1);
      by = w;
      settle(false)
    :: else
    fi;
    x++
  :: x == SLOTS -> break
  od;
  atomic {
    by = 0;
    behind = 0;
    for (x : 0 .. SLOTS - 1) {
      if
      :: passing[x] == w + 1 -> by = by | BIT(x)
      :: else
      fi
    }
  };
#if FAULT != 10
  collect(by, behind);
  takeBack(behind);
#endif
  atomic {
    by = 0; behind = 0;
    for (x : 0 .. SLOTS - 1) {
      if
      :: passing[x] == w + 1 -> letGo(x)
      :: else
      fi
    };
    x = 0
  };
#if FAULT != 5
  do
  :: x < SLOTS ->
    if
    :: item[x] != 0 ->
      ok = (leftUse[x] == useOf[x] && leftCount[x] == 0);
      if
      :: ok && standing[x] == OFFERED && stateUse[x] == useOf[x] -> reveal(x)
      :: else
      fi
    :: else
    fi;
    x++
  :: x == SLOTS -> x = 0; break
  od;
#endif
#ifdef SLEEP
  atomic { idle[w] = 0; bell[w] = 0; bells[w] = 0; wakes[w] = 0; blocked[w] = 0 };
  stir(2);
#endif
  atomic { s = 0; t = 0; ok = 0; killed[w] = 0; gone[w] = 0 }
}

/* The executor: board.ts, and dealer.ts where it is woken by messages alone. */
init {
  byte useOf[SLOTS], item[SLOTS], passing[SLOTS], linksOf[SLOTS];
  byte freeSlots = BIT(SLOTS) - 1, freeLinks = BIT(LINK_COUNT) - 1;
  byte slotOf[TASKS] = NONE;
  byte open, settled;
  byte s, t, n, x, w, by, tk, link, behind, more, count, bits, revocations;
  short idlers;
  bit ok, success;
  atomic { run Worker(0); run Worker(1) };
#ifndef SLEEP
  do
  :: settled == ALL -> over = 1; break
  :: settled != ALL && NEXT_TASK != NONE -> t = NEXT_TASK; offer()
  :: d_step { PASSED(0) -> letGo(0) }
  :: d_step { PASSED(1) -> letGo(1) }
#if SLOTS > 2
  :: d_step { PASSED(2) -> letGo(2) }
#endif
  :: nempty(outbox[0]) -> w = 0; drain()
  :: nempty(outbox[1]) -> w = 1; drain()
  :: gone[0] -> w = 0; bury()
  :: gone[1] -> w = 1; bury()
  :: d_step { revocations < REVOCATIONS -> revocations++ }; takeBack(ALL)
  od
#else
  do
  :: settled == ALL -> over = 1; break
  :: else ->
    /* It hands out what is ready, and wakes whom there is something for. */
    d_step {
      for (x : 0 .. SLOTS - 1) {
        if
        :: PASSED(x) -> letGo(x)
        :: else
        fi
      };
      x = 0
    };
    do
    :: NEXT_TASK != NONE -> t = NEXT_TASK; offer(); x++
    :: else -> break
    od;
    if
    :: x > 0 -> unclaimed = unclaimed + x; x = 0; stir(2)
    :: else
    fi;
    look(bits);
    d_step { idlers = HAS(bits, 0) + HAS(bits, 1) + HAS(bits, 2); bits = 0 };
    w = 0;
    do
    :: atomic { w < 2 && !idle[w] -> ok = 1 };
      atomic {
        if
        :: current[w] == 0 -> idlers--
        :: else
        fi;
        ok = 0;
        w++
      }
    :: atomic { w < 2 && idle[w] -> w++ }
    :: atomic { w == 2 -> w = 0; break }
    od;
    do
    :: atomic { w < 2 && idlers > 0 && idle[w] -> wake(w); idlers--; w++ }
    :: atomic { w < 2 && (idlers <= 0 || !idle[w]) -> w++ }
    :: w == 2 -> break
    od;
    /* It looks once more: whether another worker would help. */
    look(bits);
    d_step { bits = 0; idlers = 0; w = 0; s = 0; t = 0; ok = 0 };
    if
    :: settled == ALL
    :: d_step { bells[0] > 0 -> bells[0]--; w = 0 }; bell[0] = 0; drain()
    :: d_step { bells[1] > 0 -> bells[1]--; w = 1 }; bell[1] = 0; drain()
    :: gone[0] -> w = 0; bury()
    :: d_step { revocations < REVOCATIONS -> revocations++ }; takeBack(ALL)
    fi
  od
#endif
}

#if DEATHS > 0
/* Death comes at any step. */
active proctype Death() {
end_spared:
  atomic { !over -> killed[0] = 1 }
}
#endif

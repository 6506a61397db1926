/* tests/race/lane.pml - the lane protocol of common/lane.c, for spin: every interleaving of two writers of different
 * processes, one of which may be killed at any step, and the collector.
 *
 * A lane of two events of two words; an event at position n must read (n, n).  -DNO_A ... -DNO_F take one lettered
 * order of common/abi.h away, by letting the two steps it keeps apart happen in the wrong order: then an assertion
 * must fail, or the letter would be idle (tests/hazards/lane_model.sh).  Spin's memory is sequentially consistent,
 * so what an order forbids has to be written down here; what is not written down is not covered. */
#define SIZE 2
#define EVENTS 3 /* each writer's */

byte lock, head, tail;
byte word0[SIZE], word1[SIZE];
byte gone;
bool dead;

inline locked_by(me)
{
	atomic { lock == 0 -> lock = me }
}

inline publish()
{
#ifdef NO_A
	head = h + 1;
	word1[h % SIZE] = h;
#else
	word1[h % SIZE] = h;
	head = h + 1;
#endif
}

proctype writer(byte me)
{
	byte h, n = 0;

	do
	:: n == EVENTS -> break
	:: n < EVENTS ->
#ifdef NO_F
		h = head;
		locked_by(me);
#else
		locked_by(me);
		h = head;
#endif
#ifdef NO_D
		word0[h % SIZE] = h;
#endif
		if
		:: h - tail < SIZE ->
			word0[h % SIZE] = h;
#ifdef NO_E
			lock = 0;
			publish();
#else
			publish();
			lock = 0;
#endif
			n++;
		:: else -> lock = 0 /* spills; here: tries again */
		fi
	od;
	gone++
}

/* kill -9: `unless` leaves a writer at whatever step it is. */
proctype mortal_writer(byte me)
{
	byte h, n = 0;

	{
		do
		:: n == EVENTS -> break
		:: n < EVENTS ->
			locked_by(me);
			h = head;
			if
			:: h - tail < SIZE ->
				word0[h % SIZE] = h;
				publish();
				lock = 0;
				n++
			:: else -> lock = 0
			fi
		od
	} unless { dead };
	gone++
}

proctype killer()
{
	dead = true
}

proctype collector()
{
	byte h, t = 0, a, b;

	do
	:: true ->
#ifdef NO_B
		b = word1[t % SIZE];
#endif
		h = head;
		assert(h - t <= SIZE);
		if
		:: t < h ->
#ifdef NO_C
			tail = t + 1;
#endif
			a = word0[t % SIZE];
#ifndef NO_B
			b = word1[t % SIZE];
#endif
			assert(a == t && b == t);
			t++;
#ifndef NO_C
			tail = t
#endif
		:: else
		fi
	:: dead -> /* what the pidfd tells: unlock what the dead one holds */
		atomic {
			if
			:: lock == 1 -> lock = 0
			:: else
			fi
		}
		if
		:: gone == 2 && t == head -> break
		:: else
		fi
	od;
	assert(lock == 0)
}

init {
	atomic {
		run mortal_writer(1);
		run writer(2);
		run killer();
		run collector()
	}
}

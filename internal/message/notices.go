package message

// Lines that are no events, and that an operator looks for or has to act on.
var (
	// The life of a daemon.
	Listening          = id("7dcd4cbb9a9848e1949ca63facc4ab94") // it has no sockets from systemd and opened its own
	LocalSocketMissing = id("1a15d1a98faa4a5f8fe128b895b334e9") // this host's own tools and daemons cannot reach bty-web
	HealthMissing      = id("0634fa67d2244d519b13021cb0a76209") // --health of this daemon will say that nobody answers
	CannotListen       = id("e1ffe9d749434623828bbe447ebb47b9") // the port is taken, or may not be opened
	WrongSockets       = id("0933767d586148d9a21548bf90986b5e") // what systemd handed over is not what the daemon takes
	ConfigRefused      = id("96dfd4cac71a4c02a9492f0ecf994d7f") // the configuration cannot be used, at the start
	ConfigDoubtful     = id("01840a27711645728ec7af28f18c539f") // it can be used, and something in it has no effect
	ConfigReloaded     = id("6c3c2644afc94a38b8dd26934aadb47e")
	ReloadFailed       = id("c2056ea3f48f4383a4ae884dbcb79bf1") // the configuration in force stays
	CheckFailed        = id("6ed179c0d1f64790b4b379c4bea852f0") // the daemon's own check; the watchdog is not fed
	CheckBlind         = id("c77e78154a554dbcbf7941b2d81c151d") // the check proves nothing on this host
	ManagerDeaf        = id("d6c79aaffdba483e99a82bbadb1f6670") // the service manager did not hear a message
	RequestsCut        = id("9894dd0414e74818af4f5f49c350b89b") // at the end of the longest drain
	Ended              = id("a86b84596560451eb36390b9061b48cd") // the daemon ended with an error of no other class
	RightsDropped      = id("9dfacaacfbf14b4b922c4dfe0c2cfa69")
	RightsLeft         = id("06307ceedf4c44288e8e1124fe016e9b") // a drop-in gives back what the unit takes away
	CommandFailed      = id("9fec11a5a472409193ef985e5102c410") // of bty-lab, run by a unit
	Defect             = id("17ef7a83853e4969a0b0614432c4ec32") // a panic that was caught
	LiveBehind         = id("114939be89014c40a01b2527a38b6291") // the live streams

	// State.
	DatabaseRefused    = id("01220e10857645618ab4dbab9f64afa2") // it is damaged, of a newer release, held by another process, or cannot be kept before it is migrated
	DatabaseKept       = id("530d8548417243b99c4c4943a2b0cf9c") // of an earlier release; it was migrated
	LegacyDatabase     = id("2bc4f4e0081a46e2bc9be6a85a880717") // that of the previous system lies beside ours
	RestoreBegins      = id("5f6978cbb8774737a737d680009cb3de")
	Restored           = id("4df5104a21b940999087f1312792f77a")
	RestoreFailed      = id("ceb1c4b12bf64d27994a6c7d5fb9b2ba") // the state from before stays, or comes back
	Leftovers          = id("5853357528574fc8a579b59265651768") // what could not be tidied up; the next start or run tries again
	BackupsImpossible  = id("42b405524f074cf786f5c01f3ff108cb") // the folder cannot be written
	Unrecorded         = id("f8af91ad8a7f4f719b1dbf9e3b6bad94") // something happened, and the audit log does not know it
	LogUntended        = id("a888030fe7f1444db860286b3ffd9102") // the audit log could not be kept within its bounds
	LogAged            = id("8abeef8646e64a17a6dc1ea1706c9523") // much of the audit log is older than it is to be, or the clock is wrong
	StoredValueIgnored = id("93ff8545b1a84b908d517443f6fc79fb") // a setting that was stored cannot be used

	// Files that are taken over.
	CatalogFileRefused  = id("94e4da2b41c34a2a986bba79f4106a19")
	CatalogImageRefused = id("427f6467fdbc48ac9ccf6796941d52e9") // one image of the file
	CatalogFileTaken    = id("8956af7a753247f7928d43550f5c1ca5")
	BootFolderUnread    = id("1a7c4488ff5c409cb4635bfccb3732b7")
	BootFolderSeeded    = id("475247597b7546cebf041158813bc4f3")
	SeedIncomplete      = id("4cc3ffef0a884edab317fa9dc04c3873")

	// Images in the cache.
	ImageCached    = id("14b5d983ccce4a158363ff72cbb6c76e")
	ImageNotCached = id("1f91c8db9f624767a0a6eabfddf0d4fd") // the fetch has failed
	ImageEvicted   = id("af9bcb7686604355a7a8268211884a20") // to make room
	ImageMoved     = id("856517c4d1c84695a2d746ee8979e647") // its source has other bytes now
	BlobDamaged    = id("74ff9acbfc054691adf0c165d2efad45") // a file is not as it was written
	CacheUnwritten = id("4a4b48e442614707b3e49192d3518e98") // the folder did not take something

	TagUnknown = id("b99c624c660844e1a5e52f997db6f9fb") // the registry could not be asked

	// The image cache of this host, as bty-web sees it.
	CacheHere       = id("efbfc19084fd4ecaabbef42b22db3dc0")
	CacheNone       = id("5b18e5884fc54df184ca8e747f98f4ee")
	CacheAway       = id("e868adeb0aa9411aaf291a6af983a268") // it was there
	CacheUninformed = id("4f6db34fc4054f5b84469770bc48b9e6") // it does not know the catalog as it is
	CacheUnwilling  = id("2de29fb5834242b6a5ccc6c710256429") // to fetch an image that was assigned

	// What DHCP shows.
	CannotWatch    = id("cd5a5fa793f3419cba39dc087799be5c") // there is no packet socket
	DHCPMalformed  = id("a1a23db2be52498d8043e7dfa48409b4") // packets that could not be read
	SniffAlone     = id("1fa72bf009e043f9ae4877c3c65d3b88") // it was not given a socket and opened its own
	TooManyNew     = id("aa831d5682e24d41b016a3cd165a73b2") // more new machines than are made known in a minute
	PacketsLost    = id("6b99187894b3427984a11f023633fb10") // they came faster than they were read
	ReportsAway    = id("7a5c48a6dbac4011be2f0265e28267bc") // bty-web does not take them
	ReportsBack    = id("208e240006044c438549343c2b7d0179")
	ReportsRefused = id("b36b0d0c242249538e83dde321a934eb") // bty-web cannot take them, ever

	// Who gets in.
	DefaultPassword = id("cdae183013ec4e3599632f897e9ad2a0") // the well-known one is in force
	SecretsUnread   = id("68c7ce62c47949b2bd6d72e0d37a125b") // the password or the session secret; those in force stay

	// The image cache.
	CacheSources       = id("56a3c99740494b33be4cc5031d82fbd3") // bty-web has said what may be fetched
	CacheSourcesUnread = id("70b5de2c13d24c278c312e8f2440eb14") // the list from before the start
	CacheRefused       = id("d24cb516537d47f781265444cd2f9a8c") // an image was asked for and not given
	CacheSent          = id("9fe3ef9d80c24a30af83ba0f4ad12732")
	CacheBroken        = id("08d4eb1cde524543920faa5b0016a569") // an image was not given to its end

	// What others cause, told by package flood.
	RequestFailed      = id("0d48b4e5f7884a55a02083b95ad75ff4") // an HTTP request, by our fault
	RequestRefused     = id("1df26f3be97047fe91f95c22262bb804") // an HTTP request, by the caller's
	TFTPServed         = id("342041544d1a4987bf021adc80ca5225")
	TFTPFailed         = id("476e3faf50474c0ca2456f32e80605cc") // a transfer was refused or broke off
	TFTPBusy           = id("8e8d5d6d8c4f473dbe710f9d35d858d7") // too many transfers at one time
	TFTPWrite          = id("40dd441f1e014c87afe3e2c956e0d5f1") // somebody wanted to write
	TFTPMalformed      = id("ac862f3e42d04ed6972649927df12310") // packets that are no requests
	TFTPNoPort         = id("0349a2601915463f9ebe88ab1e6ca5a2") // no port of its own for a transfer
	BroadcastsAnswered = id("9c4a7c375b07474c917a85506c00c0c2") // with an error, instead of silence
	Flood              = id("801166f9f3674cc38685185db09997e0") // more than could be told apart
	LinesLost          = id("1f0577a25a024dff850b762bd9c35ad5") // journald did not take them
)
